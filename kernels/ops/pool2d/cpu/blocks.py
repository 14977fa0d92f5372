"""A row of windows as blocks whose windows see the same taps: what both directions of pooling by vectors walk along."""

from typing import NamedTuple

from kernels.compile.indexing import valid_range
from kernels.compile.jit import cpu_core
from kernels.declare.shapes import Pair
from kernels.ops.pool2d.scalars import averaged_taps

ROWS = 4
"""Output rows that are computed together: what a block costs besides its arithmetic is shared."""

SMALL = 1 << 18
"""Bytes of all arrays under which one thread is as fast: at 160 KiB it took 8 us, two took 12, on two cores."""


class Windows(NamedTuple):
    """The windows along one axis.

    Attributes
    ----------
    number, kernel, stride, dilation, size : of windows, taps of each, their steps, and the size of the input
    before, after : padding
    inner_first, inner_last : the windows that see no padding
    """

    number: int
    kernel: int
    stride: int
    dilation: int
    size: int
    before: int
    after: int
    inner_first: int
    inner_last: int


@cpu_core
def windows_along(count: int, kernel: int, stride: int, dilation: int, size: int, padding: Pair) -> Windows:
    """Return the windows along an axis of ``size``."""
    first, _ = valid_range(-padding[0], stride, count, size)
    _, last = valid_range((kernel - 1) * dilation - padding[0], stride, count, size)
    return Windows(count, kernel, stride, dilation, size, padding[0], padding[1], first, last)


@cpu_core
def block_at(windows: Windows, i: int, most: int, padded: bool) -> tuple[int, int, int, int]:
    """Return the block that begins with window i: its windows, the range of taps that they see, the taps of an average.

    Of windows that see no padding ``most``, as far as there are, of others one: the same taps for all of a block. Those
    cost divisions, as long as the arithmetic of a vector.
    """
    if windows.inner_first <= i < windows.inner_last:
        return min(most, windows.inner_last - i), 0, windows.kernel, windows.kernel
    start = i * windows.stride - windows.before
    first, last = valid_range(start, windows.dilation, windows.kernel, windows.size)
    taps = averaged_taps(start, windows.dilation, windows.kernel, windows.size, windows.before, windows.after, padded)
    return 1, first, last, taps


@cpu_core
def divides(windows: Windows) -> bool:
    """Return whether the axis is cut into pieces of ``stride`` with one window inside each, without padding."""
    extent = (windows.kernel - 1) * windows.dilation + 1
    return extent <= windows.stride and windows.number * windows.stride == windows.size and windows.before == 0


@cpu_core
def rows_in_vector(across: Windows, down: Windows, lanes: int) -> int:
    """Return how many output rows fit into the lanes of one vector, where they may be put side by side."""
    return max(1, lanes // across.number) if divides(across) and divides(down) else 1
