"""Division of a kernel's work into units for the threads, by shape alone, so that results do not depend on the threads."""

from kernels.compile.jit import scalar

UNIT_BYTES = 16 * 2**10
"""The part of a streamed array in a unit: it takes some microseconds, about as long as a thread takes to wake up."""


@scalar
def unit_count(items: int, item_bytes: int) -> int:
    """Return the number of units for a number of items."""
    size = _unit_size(item_bytes)
    return (items + size - 1) // size


@scalar
def unit_range(unit: int, items: int, item_bytes: int) -> tuple[int, int]:
    """Return the range [first, end) of the items in a unit."""
    size = _unit_size(item_bytes)
    return unit * size, min((unit + 1) * size, items)


@scalar
def _unit_size(item_bytes: int) -> int:
    return max(1, UNIT_BYTES // max(1, item_bytes))
