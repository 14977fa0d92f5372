"""How a kernel's work is cut into units that threads take: by the shape alone, so that no result depends on the threads."""

from __future__ import annotations

from kernels.compile.jit import scalar

UNIT_BYTES = 16 * 2**10
"""Of an array that is streamed through: some microseconds, which a thread takes to wake up."""


@scalar
def unit_count(items: int, item_bytes: int) -> int:
    """Return the number of units of so many items."""
    size = _unit_size(item_bytes)
    return (items + size - 1) // size


@scalar
def unit_range(unit: int, items: int, item_bytes: int) -> tuple[int, int]:
    """Return the range [first, end) of the items of a unit."""
    size = _unit_size(item_bytes)
    return unit * size, min((unit + 1) * size, items)


@scalar
def _unit_size(item_bytes: int) -> int:
    return max(1, UNIT_BYTES // max(1, item_bytes))
