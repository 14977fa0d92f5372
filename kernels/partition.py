"""How much of its work a kernel hands to a thread at once."""

from __future__ import annotations

from kernels.jit import scalar

UNIT_BYTES = 16 * 2**10
"""Of an array that is streamed through: some microseconds, which a thread takes to wake up."""


@scalar
def items_per_unit(item_bytes: int) -> int:
    """Give how many items of so many bytes make a unit of work: at least one; from the shape alone, whatever the threads."""
    return max(1, UNIT_BYTES // max(1, item_bytes))
