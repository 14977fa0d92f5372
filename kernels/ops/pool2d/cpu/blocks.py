"""A row of windows divided into blocks whose windows have the same valid taps, for both directions of vector pooling."""

from typing import Any, NamedTuple

from kernels.compile.indexing import valid_range
from kernels.compile.jit import cpu_core
from kernels.declare.shapes import Pair
from kernels.ops.pool2d.scalars import averaged_taps

ROWS = 4
"""Output rows that are computed together, to share the costs of a block other than its arithmetic."""

SMALL = 1 << 18
"""Total bytes of the arrays below which one thread is as fast: for 160 KiB one took 8 us and two took 12, on two cores."""


class Windows(NamedTuple):
    """The windows along one axis.

    Attributes
    ----------
    number, kernel, stride, dilation, size : number of windows, taps of each, their steps, and the size of the input
    before, after : padding
    inner_first, inner_last : the range [first, last) of windows without padding
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


class Pool(NamedTuple):
    """The options of a pooling operation in normal form.

    Attributes
    ----------
    kernel_size, stride : (int, int), down and across
    pad_h, pad_w : (int, int), before and after
    dilation : (int, int)
    padded : bool, the divisor of an average counts the padding
    """

    kernel_size: Pair
    stride: Pair
    pad_h: Pair
    pad_w: Pair
    dilation: Pair
    padded: bool


class Block(NamedTuple):
    """Rows of windows that see the same taps, computed together; a vector may hold several of them.

    Attributes
    ----------
    taps : (int, int), taps down and across
    step : (int, int), elements of x from tap to tap
    windows : int, in a row
    fold : int, rows of windows in a vector
    fold_step : int, elements of x from the first window of such a row to that of the next one
    factor : float, what a sum is multiplied by
    """

    taps: Pair
    step: Pair
    windows: int
    fold: int
    fold_step: int
    factor: Any


@cpu_core
def windows_along(count: int, kernel: int, stride: int, dilation: int, size: int, padding: Pair) -> Windows:
    """Return the windows along an axis of size ``size``."""
    first, _ = valid_range(-padding[0], stride, count, size)
    _, last = valid_range((kernel - 1) * dilation - padding[0], stride, count, size)
    return Windows(count, kernel, stride, dilation, size, padding[0], padding[1], first, last)


@cpu_core
def block_at(windows: Windows, i: int, most: int, padded: bool) -> tuple[int, int, int, int]:
    """Return the block that begins with window i: its number of windows, its valid range of taps, the taps of an average.

    All windows of a block have the same taps. Windows without padding form blocks of up to ``most``, other windows form
    blocks of one. The latter need divisions, which take as long as the arithmetic of a vector.
    """
    if windows.inner_first <= i < windows.inner_last:
        return min(most, windows.inner_last - i), 0, windows.kernel, windows.kernel
    start = i * windows.stride - windows.before
    first, last = valid_range(start, windows.dilation, windows.kernel, windows.size)
    taps = averaged_taps(start, windows.dilation, windows.kernel, windows.size, windows.before, windows.after, padded)
    return 1, first, last, taps


@cpu_core
def divides(windows: Windows) -> bool:
    """Return whether windows without padding tile the axis: one inside each piece of ``stride`` elements."""
    without_padding = windows.inner_first == 0 and windows.inner_last == windows.number
    return without_padding and windows.number * windows.stride == windows.size


@cpu_core
def rows_in_vector(across: Windows, down: Windows, lanes: int) -> int:
    """Return the number of output rows that fit into one vector; 1 if rows cannot be put side by side."""
    return max(1, lanes // across.number) if divides(across) and divides(down) else 1
