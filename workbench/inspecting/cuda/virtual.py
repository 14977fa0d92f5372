"""Read PTX, NVIDIA's virtual instruction set, into the same records as SASS, so that its loops are found in the same way.

PTX shows what a kernel's source asks for. SASS shows the assembler's result, which may repeat a product in a loop to
save an addition, which is not a fault of the source. Source: Parallel Thread Execution ISA 9.0.
"""

import re
from collections import Counter

from workbench.inspecting.cuda.lines import location
from workbench.inspecting.cuda.loops import find_loops
from workbench.inspecting.cuda.sass import Function, Instruction, Location

_FILE = re.compile(r'^\s*\.file\s+(?P<number>\d+)\s+"(?P<file>[^"]*)"')
_LOC = re.compile(r"^\s*\.loc\s+(?P<file>\d+)\s+(?P<line>\d+)\s+\d+(?:.*inlined_at\s+(?P<outer>\d+)\s+(?P<at>\d+))?")
_LABEL = re.compile(r"^(?P<label>\$\w+):")
_INSTRUCTION = re.compile(
    r"^\s*(?:@(?P<predicate>!?%\w+)\s+)?(?P<opcode>[a-z][\w.:]*)(?P<operands>[^;{]*(?:\{[^;]*)?);"
)


def parse_ptx(ptx: str, kernel: str) -> Function:
    """Read a kernel's PTX; addresses are instruction indices, and branches are written as in SASS."""
    files = {found["number"]: found["file"] for found in map(_FILE.match, ptx.splitlines()) if found}
    labels: dict[str, int] = {}
    instructions: list[Instruction] = []
    stack: tuple[Location, ...] = ()
    _, _, body = ptx.partition(f".visible .entry {kernel}(")
    for line in body.partition("\n}")[0].splitlines():
        if found := _LOC.match(line):
            stack = ((files[found["file"]], int(found["line"])),)
            if found["outer"]:
                stack += ((files[found["outer"]], int(found["at"])),)
        elif found := _LABEL.match(line):
            labels[found["label"]] = len(instructions)
        elif found := _INSTRUCTION.match(line):
            instructions.append(_instruction(found, len(instructions), stack))
    return Function(name=kernel, instructions=tuple(instructions), labels=labels)


def wide_products(code: Function) -> dict[Location, int]:
    """Count, by source line, the products of two 64-bit integers in innermost loops, those with constants excluded."""
    found: dict[Location, int] = {}
    for loop in find_loops(code):
        if loop.innermost:
            places = Counter(location(each) for each in loop.instructions if _is_wide_product(each))
            found |= {place: max(number, found.get(place, 0)) for place, number in places.items()}
    return found


def _is_wide_product(instruction: Instruction) -> bool:
    if instruction.opcode not in ("mul.lo.s64", "mad.lo.s64", "mul.lo.u64", "mad.lo.u64"):
        return False
    return all(part.strip().startswith("%") for part in instruction.operands.split(",")[1:3])


def _instruction(found: re.Match[str], number: int, stack: tuple[Location, ...]) -> Instruction:
    opcode, operands = found["opcode"], " ".join(found["operands"].split())
    base = opcode.partition(".")[0]
    if base in ("bra", "brx"):
        opcode, operands = "BRA", f"`({operands})"
    elif base in ("ret", "exit", "trap"):
        opcode = "EXIT"
    return Instruction(
        address=number, predicate=found["predicate"] or "", opcode=opcode, operands=operands, stack=stack
    )
