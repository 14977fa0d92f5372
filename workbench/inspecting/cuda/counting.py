"""Count instructions by class, and loads and stores by width."""

from collections import Counter
from collections.abc import Iterable

from workbench.inspecting.cuda.sass import Instruction

CLASSES: dict[str, frozenset[str]] = {
    "float32": frozenset({"FFMA", "FMUL", "FADD", "FMNMX", "FSETP", "FSEL", "FSET", "FCHK", "FFMA2", "FADD2", "FMUL2"}),
    "float64": frozenset({"DFMA", "DMUL", "DADD", "DSETP", "DMNMX"}),
    "float16": frozenset({"HFMA2", "HMUL2", "HADD2", "HMNMX2", "HSETP2", "HSET2"}),
    "tensor": frozenset(
        {"HMMA", "IMMA", "DMMA", "BMMA", "HGMMA", "IGMMA", "QGMMA", "UTCHMMA", "UTCQMMA", "OMMA", "QMMA"}
    ),
    "special": frozenset({"MUFU"}),
    "conversion": frozenset({"F2F", "F2I", "I2F", "F2FP", "FRND", "I2I", "I2IP", "I2FP", "UF2F", "UI2F"}),
    "global load": frozenset({"LDG", "LD", "LDGSTS", "UBLKCP", "UTMALDG"}),
    "global store": frozenset({"STG", "ST", "UTMASTG"}),
    "shared load": frozenset({"LDS", "LDSM"}),
    "shared store": frozenset({"STS", "STSM"}),
    "local load": frozenset({"LDL"}),
    "local store": frozenset({"STL"}),
    "constant load": frozenset({"LDC", "LDCU", "ULDC"}),
    "atomic": frozenset({"ATOM", "ATOMG", "ATOMS", "RED", "REDG", "REDUX"}),
    "barrier": frozenset({"BAR", "SYNCS", "WARPSYNC", "DEPBAR", "MEMBAR"}),
    "exchange": frozenset({"SHFL", "VOTE", "VOTEU", "MATCH"}),
    "branch": frozenset({"BRA", "BRX", "JMP", "EXIT", "BSSY", "BSYNC", "BREAK", "RET", "WARPSYNC.EXCLUSIVE"}),
    "call": frozenset({"CALL"}),
    "nothing": frozenset({"NOP"}),
}
"""Instruction classes, by opcode. All others are integer arithmetic or moves."""

MULTIPLY_ADDS = frozenset({"FFMA", "DFMA", "HFMA2", "FFMA2", "HMMA", "DMMA", "HGMMA"})

_MEMORY = ("global load", "global store", "shared load", "shared store", "local load", "local store")
_NARROW = {"U8": 8, "S8": 8, "U16": 16, "S16": 16, "64": 64, "128": 128, "256": 256}
_MOVES = ("MOV", "UMOV", "SEL", "USEL", "CS2R", "S2R", "S2UR", "R2UR", "PRMT", "UPRMT", "R2P", "P2R")


def class_of(instruction: Instruction) -> str:
    """Return the class of an instruction: a key of ``CLASSES``, "move", "int64" or "integer".

    "int64" is the extra cost of 64-bit integers over 32: the half of an operation that takes the carry, a 64-bit product.
    """
    if instruction.base == "HFMA2" and "-RZ, RZ, " in instruction.operands:
        return "move"  # ptxas writes a constant this way
    for name, opcodes in CLASSES.items():
        if instruction.base in opcodes:
            return name
    modifiers = instruction.opcode.split(".")[1:]
    if instruction.base in _MOVES or modifiers[:1] in (["MOV"], ["U32"]):
        return "move"
    return "int64" if {"X", "EX", "WIDE"} & set(modifiers) else "integer"


def counts(instructions: Iterable[Instruction]) -> dict[str, int]:
    """Count instructions by class, the most frequent first."""
    return dict(Counter(class_of(each) for each in instructions).most_common())


def opcodes(instructions: Iterable[Instruction]) -> dict[str, int]:
    """Count instructions by opcode, the most frequent first."""
    return dict(Counter(each.base for each in instructions).most_common())


def widths(instructions: Iterable[Instruction]) -> dict[str, dict[str, int]]:
    """Count loads and stores by the bits moved per thread: {"global load": {"32": 8, "128": 2}}."""
    found: dict[str, Counter[int]] = {}
    for each in instructions:
        kind = class_of(each)
        if kind in _MEMORY:
            found.setdefault(kind, Counter())[width(each)] += 1
    return {kind: {str(bits): number for bits, number in sorted(each.items())} for kind, each in found.items()}


def width(instruction: Instruction) -> int:
    """Return the bits that a load or store moves for each thread."""
    return next((_NARROW[part] for part in instruction.opcode.split(".") if part in _NARROW), 32)
