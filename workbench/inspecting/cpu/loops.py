"""The loops of a function: the back edges of its control flow and the blocks they enclose."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.inspecting.cpu.assembly import Block, Function, Instruction


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

    def own_blocks(self) -> list[Block]:
        """Return its blocks, except those of inner loops, in code order."""
        inner = set().union(*(loop.blocks for loop in self.inside))
        return [self.function.blocks[number] for number in sorted(self.blocks - inner)]

    def instructions(self) -> list[Instruction]:
        """Return the instructions of its own blocks, in code order."""
        return [instruction for block in self.own_blocks() for instruction in block.instructions]

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
    order = _reverse_postorder(function)
    dominators = _dominators(function, order)
    bodies: dict[int, set[int]] = {}
    predecessors = _predecessors(function)
    for number in order:
        for follower in function.blocks[number].successors:
            if dominators[number] >> follower & 1:
                bodies.setdefault(follower, {follower}).update(_body(follower, number, predecessors))
    loops = [Loop(function, header, blocks) for header, blocks in bodies.items()]
    for loop in loops:
        around = [other for other in loops if other is not loop and loop.blocks < other.blocks]
        if around:
            loop.outer = min(around, key=lambda other: len(other.blocks))
            loop.outer.inside.append(loop)
    return loops


def _body(header: int, latch: int, predecessors: list[list[int]]) -> set[int]:
    body, waiting = {header}, [latch]
    while waiting:
        number = waiting.pop()
        if number not in body:
            body.add(number)
            waiting += predecessors[number]
    return body


def _predecessors(function: Function) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in function.blocks]
    for number, block in enumerate(function.blocks):
        for follower in block.successors:
            found[follower].append(number)
    return found


def _reverse_postorder(function: Function) -> list[int]:
    seen, order, waiting = {0}, [], [(0, iter(function.blocks[0].successors))]
    while waiting:
        number, followers = waiting[-1]
        follower = next((each for each in followers if each not in seen), None)
        if follower is None:
            order.append(number)
            waiting.pop()
        else:
            seen.add(follower)
            waiting.append((follower, iter(function.blocks[follower].successors)))
    return order[::-1]


def _dominators(function: Function, order: list[int]) -> list[int]:
    """Return the dominators of each block, as the bits of an integer."""
    everything = (1 << len(function.blocks)) - 1
    dominators = [everything] * len(function.blocks)
    dominators[0] = 1
    predecessors, reached = _predecessors(function), set(order)
    changed = True
    while changed:
        changed = False
        for number in order[1:]:
            common = everything
            for before in predecessors[number]:
                common &= dominators[before] if before in reached else everything
            common |= 1 << number
            changed |= common != dominators[number]
            dominators[number] = common
    return dominators
