"""Assembly as LLVM prints it for x86-64 (AT&T order: sources, then the destination), as functions of basic blocks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.inspecting.cpu.debug_lines import Chain

_LABEL = re.compile(r'^("[^"]*"|[\w.$@]+):')
_PREFIXES = ("lock", "rep", "repne", "notrack", "data16")


@dataclass(frozen=True, eq=False)
class Instruction:
    """One instruction: its mnemonic, its operands as printed, and its source places."""

    name: str
    operands: tuple[str, ...]
    chain: Chain
    locked: bool = False

    @property
    def text(self) -> str:
        """The instruction as printed."""
        return f"{'lock ' * self.locked}{self.name:<13} {', '.join(self.operands)}".rstrip()

    @property
    def target(self) -> str | None:
        """The label that it jumps to; None where it does not jump to a label."""
        return self.operands[0] if self.name.startswith("j") and not self.operands[0].startswith("*") else None

    @property
    def ends(self) -> bool:
        """Whether control never reaches the next instruction."""
        return self.name.startswith(("jmp", "ret", "ud2"))


@dataclass(eq=False)
class BasicBlock:
    """Instructions that run one after another, and the numbers of the blocks that may follow."""

    label: str
    instructions: list[Instruction] = field(default_factory=list)
    successors: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Function:
    """A function of the assembly; its first block is its entry."""

    name: str
    blocks: list[BasicBlock] = field(default_factory=list)


def parse(text: str, chains: Mapping[int, Chain]) -> list[Function]:
    """Read assembly.

    Parameters
    ----------
    text : the output of LLVM
    chains : the source places, by column of the line table
    """
    functions: list[Function] = []
    announced, chain = set(), ()  # type: tuple[set[str], Chain]
    for line in text.splitlines():
        label = _LABEL.match(line)
        words = line.strip()
        if label:
            name = label[1]
            if name in announced:
                functions.append(Function(name, [BasicBlock(name)]))
                chain = ()
            elif functions and not name.startswith((".Ltmp", ".Lfunc", '"', ".LCPI", ".LJTI")):
                functions[-1].blocks.append(BasicBlock(name))
        elif words.startswith(".type") and words.endswith("@function"):
            announced.add(words.removeprefix(".type").rpartition(",")[0].strip())
        elif words.startswith(".loc"):
            _, _, line_number, column = words.split()[:4]
            chain = chains.get(int(column), ()) if int(line_number) else ()
        elif words.startswith(".size") and functions:
            announced.discard(functions[-1].name)
        elif functions and line.startswith("\t") and not words.startswith((".", "#")):
            _append(functions[-1], _instruction(words, chain))
    for function in functions:
        _connect(function)
    return functions


def split_operands(text: str) -> tuple[str, ...]:
    """Split operands at the commas outside of parentheses and quotes."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        depth += 0 if quoted else (character in "({") - (character in ")}")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part.strip() for part in parts if part.strip())


def _instruction(words: str, chain: Chain) -> Instruction:
    name, _, rest = words.replace("\t", " ").partition(" ")
    locked = name == "lock"
    while name in _PREFIXES and rest:
        name, _, rest = rest.strip().partition(" ")
    return Instruction(name, split_operands(rest), chain, locked)


def _append(function: Function, instruction: Instruction) -> None:
    """Add an instruction; a new block begins after a jump."""
    last = function.blocks[-1]
    if last.instructions and (last.instructions[-1].target is not None or last.instructions[-1].ends):
        last = BasicBlock("")
        function.blocks.append(last)
    last.instructions.append(instruction)


def _connect(function: Function) -> None:
    numbers = {block.label: number for number, block in enumerate(function.blocks) if block.label}
    for number, block in enumerate(function.blocks):
        last = block.instructions[-1] if block.instructions else None
        if last is not None and last.target in numbers:
            block.successors.append(numbers[last.target])
        if (last is None or not last.ends) and number + 1 < len(function.blocks):
            block.successors.append(number + 1)
