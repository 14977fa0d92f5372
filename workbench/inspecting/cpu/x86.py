"""What an x86-64 instruction does: its arithmetic, its width, the registers and the memory that it reads and writes."""

import re
from dataclasses import dataclass
from functools import cache

from workbench.inspecting.cpu.assembly import Instruction

_MEMORY = re.compile(r"^(?:%[cdefgs]s:)?(-?\w*|[^(]*)\((%\w+)?(?:,\s*(%\w+)(?:,\s*(\d))?)?\)$")
_VECTOR = re.compile(r"^%([xyz])mm(\d+)")
_FLOAT = re.compile(
    r"^v?(fn?m(?:add|sub|addsub|subadd)(?:132|213|231)|add|sub|mul|div|sqrt|max|min|addsub|hadd|rcp|rsqrt|round|rndscale|range|scalef)"
    r"([sp][sd])$"
)
_COMPARED = re.compile(r"^v?(?:cmp\w*|u?comi)([sp][sd])$")
_PACKED_INTEGER = re.compile(
    r"^v?p(add|sub|mull|muld|muludq|mulhw|mulhuw|madd|max|min|sll|srl|sra|and|or|xor|cmp|abs|avg|sad|blend)"
)
_PACKED_CONVERSION = re.compile(r"^v?(?:cvt\w*p[sd]\w*|cvtdq2p[sd]|pmov[sz]x\w+)$")
_WIDTHS = {"x": 128, "y": 256, "z": 512}
_DOUBLE_CONVERSION = re.compile(r"^v?cvt(?:ss2sd|ps2pd|sd2ss|pd2ps)[xyz]?$")
_WITHOUT_RESULT = re.compile(
    r"^(v?u?comis[sd]|cmp[bwlq]|test[bwlq]|push\w*|j\w+|call\w*|ret\w*|nop\w*|prefetch\w*|bt[wlq]?|vptest|ptest|vtestp[sd]"
    r"|kortest\w|ktest\w|vzeroupper|vzeroall|ud2|endbr64|cqto|cltd|cltq|i?div[bwlq])$"
)
_PURE = re.compile(
    r"^(v?mov\w*|v?broadcast\w*|vpbroadcast\w*|lea[lq]|set\w+|v?cvt\w+|pop\w*|kmov\w|v?pmov\w+|v?sqrtp[sd]|v?pshufd|v?pshuf[hl]w"
    r"|lzcnt\w|tzcnt\w|popcnt\w|bsf\w|bsr\w|v?pabs\w|v?rcpps|v?rsqrtps|v?extract\w+|v?pextr\w)$"
)
"""Instructions with two operands, the last of which is written but not read."""
_GENERAL = {
    name: canonical
    for canonical, names in {
        "rax": "rax eax ax al ah",
        "rbx": "rbx ebx bx bl bh",
        "rcx": "rcx ecx cx cl ch",
        "rdx": "rdx edx dx dl dh",
        "rsi": "rsi esi si sil",
        "rdi": "rdi edi di dil",
        "rbp": "rbp ebp bp bpl",
        "rsp": "rsp esp sp spl",
        **{f"r{n}": f"r{n} r{n}d r{n}w r{n}b" for n in range(8, 16)},
    }.items()
    for name in names.split()
}
CALLER_SAVED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", *(f"v{n}" for n in range(32)))


@dataclass(frozen=True)
class MemoryOperand:
    """A memory operand: displacement(base,index,scale); the displacement is 0 where it is a symbol."""

    displacement: int
    base: str | None
    index: str | None
    scale: int
    symbol: bool

    @property
    def on_stack(self) -> bool:
        """Whether it is a stack slot at a fixed offset."""
        return self.base == "rsp" and self.index is None

    @property
    def constant(self) -> bool:
        """Whether it is a constant in the code's data section."""
        return self.base in (None, "rip") and self.index is None


@cache
def register(operand: str) -> str | None:
    """Return a register's name regardless of width, ``v3`` for xmm3, ymm3 and zmm3; None for other operands."""
    if not operand.startswith("%"):
        return None
    vector = _VECTOR.match(operand)
    if vector:
        return f"v{vector[2]}"
    name = operand[1:].split("{")[0].strip()
    return _GENERAL.get(name, name)


@cache
def memory(operand: str) -> MemoryOperand | None:
    """Read a memory operand; None for other operands."""
    found = _MEMORY.match(operand.split("{")[0].strip())
    if found is None:
        return None
    base, index = (register(name) if name else None for name in (found[2], found[3]))
    if index is not None and index.startswith("v"):
        index = None  # of a gather; see ``is_gather``
    try:
        displacement, symbol = int(found[1] or "0", 0), False
    except ValueError:
        displacement, symbol = 0, True
    return MemoryOperand(displacement, base, index, int(found[4] or 1), symbol)


def memory_of(instruction: Instruction) -> MemoryOperand | None:
    """Return the memory operand of an instruction that reads or writes memory; ``lea`` does neither."""
    if instruction.name.startswith(("lea", "nop", "prefetch")):
        return None
    return next((found for each in instruction.operands if (found := memory(each)) is not None), None)


def writes_memory(instruction: Instruction) -> bool:
    """Return whether the last operand is in memory and is written."""
    last = instruction.operands[-1] if instruction.operands else ""
    return (
        memory(last) is not None and not _WITHOUT_RESULT.match(instruction.name) and memory_of(instruction) is not None
    )


def reads_memory(instruction: Instruction) -> bool:
    """Return whether a memory operand is read; the destination of a move is not."""
    if memory_of(instruction) is None:
        return False
    return not writes_memory(instruction) or not _is_pure(instruction)


def float_arithmetic(instruction: Instruction) -> tuple[str, str] | None:
    """Return the operation and the form (ss, sd, ps, pd) of floating-point arithmetic; None for anything else."""
    found = _FLOAT.match(instruction.name)
    return (found[1], found[2]) if found else None


def is_fma(instruction: Instruction) -> bool:
    """Return whether it is a fused multiply-add."""
    found = float_arithmetic(instruction)
    return found is not None and found[0].startswith("f")


def is_gather(instruction: Instruction) -> bool:
    """Return whether it reads or writes elements at individual addresses."""
    return "gather" in instruction.name or "scatter" in instruction.name


def gather_index(instruction: Instruction) -> str | None:
    """Return the vector register that holds the offsets of a gather or scatter."""
    found = next((re.search(r"%[xyz]mm(\d+)", each) for each in instruction.operands if "(" in each), None)
    return f"v{found[1]}" if found else None


def is_integer_division(instruction: Instruction) -> bool:
    """Return whether it divides integers."""
    return re.match(r"^i?div[bwlq]$", instruction.name) is not None


def converts_double(instruction: Instruction) -> bool:
    """Return whether it converts between float32 and float64."""
    return _DOUBLE_CONVERSION.match(instruction.name) is not None


def is_double(instruction: Instruction) -> bool:
    """Return whether it computes or compares in float64."""
    found = _FLOAT.match(instruction.name)
    compared = _COMPARED.match(instruction.name)
    form = found[2] if found else compared[1] if compared else ""
    return form.endswith("d")


def is_compare(instruction: Instruction) -> bool:
    """Return whether it compares floating-point numbers."""
    return _COMPARED.match(instruction.name) is not None


def vector_bits(instruction: Instruction) -> int:
    """Return the width of SIMD in bits that an instruction works in; 0 for scalar work, and for moves between registers."""
    arithmetic, compared = float_arithmetic(instruction), _COMPARED.match(instruction.name)
    form = arithmetic[1] if arithmetic else compared[1] if compared else ""
    packed = form.startswith("p") or is_gather(instruction)
    packed = packed or _PACKED_INTEGER.match(instruction.name) is not None
    packed = packed or _PACKED_CONVERSION.match(instruction.name) is not None
    widths = [_WIDTHS[found[1]] for each in instruction.operands if (found := _VECTOR.match(each))]
    return max(widths, default=0) if packed else 0


def moved_bits(instruction: Instruction) -> int:
    """Return the bits that a load or store moves at once between memory and a vector register; 0 for others."""
    place = memory_of(instruction)
    if place is None or place.on_stack or place.constant:
        return 0
    if not re.match(r"^v?mov(u|a|nt)?(p[sd]|dq\w*|ntdq)", instruction.name):
        return 0
    return max((_WIDTHS[found[1]] for each in instruction.operands if (found := _VECTOR.match(each))), default=0)


def accessed_bytes(instruction: Instruction) -> int:
    """Return the size in bytes of an instruction's memory operand; 0 where it is unknown."""
    name = instruction.name
    broadcast = re.search(r"\{1to\d+\}", " ".join(instruction.operands))
    if re.search(r"broadcast", name) or broadcast:
        return 8 if name.endswith(("sd", "q")) or (broadcast and name.endswith("pd")) else 4
    if re.search(r"(ss|ps2pdx?|d)$", name) and re.search(r"ss$|movd$|insertps$|pinsrd$|pextrd$", name):
        return 4
    if name.endswith(("insertps", "extractps")):
        return 4
    if re.search(r"(sd|movq|pinsrq|pextrq|l[hp]p[sd]|movh\w+|movl[hp]?p[sd]|movsd)$", name):
        return 8
    widths = [_WIDTHS[found[1]] for each in instruction.operands if (found := _VECTOR.match(each))]
    if widths:
        return max(widths) // 8
    return {"b": 1, "w": 2, "l": 4, "q": 8}.get(name[-1], 0)


def reads(instruction: Instruction) -> tuple[str, ...]:
    """Return the registers that an instruction reads, those of its address included."""
    found: list[str] = []
    if is_zeroing(instruction):
        return ()
    for position, operand in enumerate(instruction.operands):
        last = position == len(instruction.operands) - 1
        place = memory(operand)
        if place is not None:
            found += [name for name in (place.base, place.index) if name and name != "rip"]
            found += [f"v{number}" for number in re.findall(r"%[xyz]mm(\d+)", operand)]
        elif (name := register(operand)) is not None and not (last and _writes_only_last(instruction)):
            found.append(name)
        found += re.findall(r"\{%(k\d)\}", operand)
    if is_integer_division(instruction):
        found += ["rax", "rdx"]
    return tuple(found)


def writes(instruction: Instruction) -> tuple[str, ...]:
    """Return the registers that an instruction writes."""
    name, operands = instruction.name, instruction.operands
    if name.startswith("call"):
        return CALLER_SAVED
    if name in ("cqto", "cltd"):
        return ("rdx",)
    if name == "cltq" or (re.match(r"^i?mul[bwlq]$", name) and len(operands) == 1) or is_integer_division(instruction):
        return ("rax", "rdx")
    if _WITHOUT_RESULT.match(name) or not operands:
        return ()
    if name.startswith("xchg"):
        return tuple(found for each in operands if (found := register(each)))
    written = register(operands[-1])
    return (written,) if written else ()


def is_zeroing(instruction: Instruction) -> bool:
    """Return whether it is the idiom that zeroes a register."""
    sources = {register(each) for each in instruction.operands[:2]}
    return "xor" in instruction.name and len(sources) == 1 and None not in sources


def _writes_only_last(instruction: Instruction) -> bool:
    """Return whether the last operand, a register, is written and not read."""
    if _WITHOUT_RESULT.match(instruction.name):
        return False
    if len(instruction.operands) >= 3:
        return not is_fma(instruction) and "{%" not in instruction.operands[-1] and not is_gather(instruction)
    return _is_pure(instruction)


def _is_pure(instruction: Instruction) -> bool:
    return _PURE.match(instruction.name) is not None and "{%" not in instruction.operands[-1]
