"""Read SASS, a GPU's machine code as nvdisasm prints it: instructions with their source lines.

The listing has the format of ``nvdisasm -c -gi -ndf``. The instructions are those of the instruction set references for
Turing to Blackwell (CUDA Binary Utilities, sections nvdisasm and Instruction Set Reference).
"""

import re
from dataclasses import dataclass

Location = tuple[str, int]
"""A source file and a line number, from 1."""

_INSTRUCTION = re.compile(
    r"^\s*/\*(?P<address>[0-9a-f]{4,})\*/\s+(?:@(?P<predicate>!?U?P\w+)\s+)?(?P<opcode>[A-Z][\w.]*)(?P<operands>[^;]*);"
)
_SOURCE = re.compile(r'^\s*//## File "(?P<file>[^"]*)", line (?P<line>\d+)')
_INLINED = re.compile(r' inlined at "(?P<file>[^"]*)", line (?P<line>\d+)')
_LABEL = re.compile(r"^(?P<label>[.$\w]+):")
_TARGET = re.compile(r"`\((?P<target>[^)]+)\)")
_REGISTER = re.compile(r"\b(?P<uniform>U?)R(?P<number>\d+)(?P<wide>\.64)?\b")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction.

    Attributes
    ----------
    address : its offset in the function, bytes
    predicate : the condition under which it runs, "!P0" for instance; "" for always
    opcode : with modifiers, "LDG.E.128" for instance
    operands : as printed, destination first
    stack : the source lines that it comes from, the innermost inlined function first
    """

    address: int
    predicate: str
    opcode: str
    operands: str
    stack: tuple[Location, ...]

    @property
    def base(self) -> str:
        """The opcode without its modifiers."""
        return self.opcode.partition(".")[0]

    @property
    def target(self) -> str | None:
        """The label that the instruction refers to."""
        found = _TARGET.search(self.operands)
        return found["target"] if found else None

    @property
    def text(self) -> str:
        """The instruction as printed."""
        condition = f"@{self.predicate} " if self.predicate else ""
        return f"{condition}{self.opcode} {self.operands}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Function:
    """A kernel, or a subroutine that the assembler placed after it.

    Attributes
    ----------
    name : its symbol
    instructions : in the order of their addresses
    labels : the index in ``instructions`` that each name refers to
    """

    name: str
    instructions: tuple[Instruction, ...]
    labels: dict[str, int]


def parse(listing: str, kernel: str) -> tuple[Function, tuple[Function, ...]]:
    """Read a listing; return the kernel and the subroutines that it calls.

    Parameters
    ----------
    listing : the output of ``nvdisasm -c -gi -ndf``
    kernel : the kernel's symbol

    Raises
    ------
    ValueError
        The listing has no such function.
    """
    functions: dict[str, tuple[list[Instruction], dict[str, int]]] = {}
    instructions: list[Instruction] | None = None
    labels: dict[str, int] = {}
    stack: list[Location] = []
    fresh = True
    for line in listing.splitlines():
        if found := _SOURCE.match(line):
            stack = [] if fresh else stack
            fresh = False
            stack.append((found["file"], int(found["line"])))
            if inlined := _INLINED.search(line):
                stack.append((inlined["file"], int(inlined["line"])))
        elif found := _INSTRUCTION.match(line):
            fresh = True
            if instructions is not None:
                instructions.append(_instruction(found, stack))
        elif found := _LABEL.match(line):
            label = found["label"]
            if label == kernel or label.startswith("$"):
                instructions, labels = functions.setdefault(label, ([], {}))
            elif instructions is not None and label.startswith(".L"):
                labels[label] = len(instructions)
    if kernel not in functions:
        raise ValueError(f"the listing has no function {kernel}")
    made = {
        name: Function(name=name, instructions=tuple(held), labels=places) for name, (held, places) in functions.items()
    }
    return made.pop(kernel), tuple(made.values())


def registers_written(instruction: Instruction) -> frozenset[str]:
    """Return the general registers that an instruction writes, "R4" for instance; none for a store or a branch."""
    if instruction.base.startswith(("ST", "RED", "BRA", "EXIT", "CALL", "RET", "BAR", "FCHK", "BSSY", "BSYNC")):
        return frozenset()
    destination = instruction.operands.split(",")[0]
    found = _REGISTER.search(destination)
    if found is None:
        return frozenset()
    first, count = int(found["number"]), _registers_of_result(instruction)
    return frozenset(f"{found['uniform']}R{number}" for number in range(first, first + count))


def _registers_of_result(instruction: Instruction) -> int:
    parts = instruction.opcode.split(".")
    if "128" in parts:
        return 4
    double = instruction.base in ("DADD", "DMUL", "DFMA")
    wide = "64" in parts or "WIDE" in parts or double or ("F64" in parts[1:2]) or instruction.base == "CS2R"
    return 2 if wide else 1


def _instruction(found: re.Match[str], stack: list[Location]) -> Instruction:
    return Instruction(
        address=int(found["address"], 16),
        predicate=found["predicate"] or "",
        opcode=found["opcode"],
        operands=" ".join(found["operands"].replace(".reuse", "").split()),
        stack=tuple(dict.fromkeys(stack)),
    )
