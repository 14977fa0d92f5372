"""The loops of a function: the back edges of its control flow and the blocks they enclose."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.inspecting.cpu.assembly import BasicBlock, Function, Instruction
from workbench.inspecting.natural_loops import natural_loops


@dataclass(eq=False)
class Loop:
    """A natural loop.

    Attributes
    ----------
    function, header : its function, and the index of its first block
    blocks : the indices of all its blocks, inner loops included
    inside : the loops directly inside this one
    depth : nesting depth, 1 for an outermost loop
    """

    function: Function
    header: int
    blocks: set[int]
    inside: list[Loop] = field(default_factory=list)
    outer: Loop | None = None

    @property
    def depth(self) -> int:
        """Its nesting depth, 1 for an outermost loop."""
        return 1 if self.outer is None else 1 + self.outer.depth

    @property
    def height(self) -> int:
        """The number of nested levels, 1 for an innermost loop."""
        return 1 + max((loop.height for loop in self.inside), default=0)

    def own_blocks(self) -> list[BasicBlock]:
        """Return its blocks, those of the loops inside it apart, in the order of the code."""
        inner = set().union(*(loop.blocks for loop in self.inside))
        return [self.function.blocks[number] for number in sorted(self.blocks - inner)]

    def instructions(self) -> list[Instruction]:
        """Return the instructions of its own blocks, in code order."""
        return [instruction for block in self.own_blocks() for instruction in block.instructions]

    def own_order(self) -> list[int]:
        """Return the indices of its own blocks, each after those before it in an iteration; then any behind a jump table."""
        own = self.blocks.difference(*(loop.blocks for loop in self.inside))
        order, waiting, seen = [], [(self.header, iter(self._following(self.header, own)))], {self.header}
        while waiting:
            number, following = waiting[-1]
            follower = next((each for each in following if each not in seen), None)
            if follower is None:
                order.append(number)
                waiting.pop()
            else:
                seen.add(follower)
                waiting.append((follower, iter(self._following(follower, own))))
        return order[::-1] + sorted(own - seen)

    def _following(self, number: int, own: set[int]) -> list[int]:
        return [each for each in self.function.blocks[number].successors if each in own]

    def predecessors(self, number: int) -> list[int]:
        """Return the indices of its blocks that a block may follow."""
        return [each for each in sorted(self.blocks) if number in self.function.blocks[each].successors]

    def exits(self) -> list[tuple[Instruction, int]]:
        """Return the jumps that leave it, each with the index of the block that follows."""
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
