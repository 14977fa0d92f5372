"""Places in simulated kernels: basic blocks, with the loops around them, and the accesses in each."""

from dataclasses import dataclass
from typing import Any

from workbench.sim.common.sites import Site
from workbench.sim.runtime import layout as at

ORDINALS = 256
"""The most accesses of one block that have places of their own."""


@dataclass(frozen=True, kw_only=True)
class BasicBlock:
    """A basic block of a compiled function, a piece without branches of what Numba compiles.

    Attributes
    ----------
    number : its number, from 1
    function : the name of the function
    lines : the places in the source of its statements, in their order, each once
    loops : the numbers of the blocks at the heads of the loops around it, the outermost first; its own if it is a head
    entry : the number of the block that its function begins with
    """

    number: int
    function: str
    lines: tuple[Site, ...]
    loops: tuple[int, ...]
    entry: int

    @property
    def is_head(self) -> bool:
        """Whether a loop begins with it: it then runs once more than the loop's body."""
        return self.loops[-1:] == (self.number,)


BLOCKS: list[BasicBlock | None] = [None]
"""The blocks of all functions that were compiled to be counted, by number; no block has the number 0."""


def enter(builder: Any, number: int) -> None:
    """Let the next accesses that are generated be those of a block."""
    builder.workbench_block, builder.workbench_ordinal = number, 0


def next_access(builder: Any) -> int:
    """Return the flags of an access for its place, 0 where the block has no number."""
    number: int = getattr(builder, "workbench_block", 0)
    if number == 0:
        return 0
    builder.workbench_ordinal = min(builder.workbench_ordinal + 1, ORDINALS - 1)
    return (number * ORDINALS + builder.workbench_ordinal) << at.PLACE


def block_of(place: int) -> int:
    """Return the number of the block that an access is in, from its place."""
    return place // ORDINALS
