"""The loops of a function: back edges of its control flow, and what they enclose."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.inspecting.cpu.assembly import BasicBlock, Function, Instruction
from workbench.inspecting.natural_loops import natural_loops


@dataclass(eq=False)
class Loop:
    """A natural loop.

    Attributes
    ----------
    function, header : where it stands: its function, and the number of the block that it begins with
    blocks : the numbers of all its blocks, those of loops inside it too
    inside : the loops directly inside it
    depth : how many loops it lies in, itself counted
    """

    function: Function
    header: int
    blocks: set[int]
    inside: list[Loop] = field(default_factory=list)
    outer: Loop | None = None

    @property
    def depth(self) -> int:
        """How many loops it lies in, itself counted."""
        return 1 if self.outer is None else 1 + self.outer.depth

    @property
    def height(self) -> int:
        """How many loops deep it is, itself counted."""
        return 1 + max((loop.height for loop in self.inside), default=0)

    def own_blocks(self) -> list[BasicBlock]:
        """Return its blocks, those of the loops inside it apart, in the order of the code."""
        inner = set().union(*(loop.blocks for loop in self.inside))
        return [self.function.blocks[number] for number in sorted(self.blocks - inner)]

    def instructions(self) -> list[Instruction]:
        """Return the instructions of its own blocks, in the order of the code."""
        return [instruction for block in self.own_blocks() for instruction in block.instructions]

    def exits(self) -> list[tuple[Instruction, int]]:
        """Return the jumps that leave it, each with the number of the block that follows."""
        blocks = self.function.blocks
        return [
            (blocks[number].instructions[-1], follower)
            for number in sorted(self.blocks)
            for follower in blocks[number].successors
            if follower not in self.blocks and blocks[number].instructions
        ]


def find_loops(function: Function) -> list[Loop]:
    """Find the natural loops of a function, and nest them."""
    bodies = natural_loops([block.successors for block in function.blocks])
    loops = [Loop(function, header, blocks) for header, blocks in bodies.items()]
    for loop in loops:
        around = [other for other in loops if loop.blocks < other.blocks]
        if around:
            loop.outer = min(around, key=lambda other: len(other.blocks))
            loop.outer.inside.append(loop)
    return loops
