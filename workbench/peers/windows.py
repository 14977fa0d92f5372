"""Functions on sliding windows that the peers share."""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair, window_extent, window_output
from kernels.ops.pool2d.reference import taps_to_average
from workbench.peers import Options


def fitted_padding(op: str, x: Shape, kernel: Pair, options: Options) -> Padding:
    """Return the padding with which every window fits completely, and no more windows fit than the operation has.

    The operation's own may be too small for the last window of ``ceil_mode``, which it clips, or larger than needed.
    """
    sides = []
    for axis, count in enumerate(window_output(op, x, kernel, options)):
        before = options["padding"][axis][0]
        needed = (count - 1) * options["stride"][axis] + window_extent(kernel[axis], options["dilation"][axis])
        sides.append((before, max(needed - before - x[2 + axis], 0)))
    return sides[0], sides[1]


def counted_taps(x: Shape, options: Options, out: Pair, *, padding: bool) -> tuple[list[int], list[int]]:
    """Count, per row and per column of a pool's output, the taps of its window in the image, with or without ``padding``."""
    rows, columns = (
        [
            taps_to_average(
                i * options["stride"][axis] - options["padding"][axis][0],
                options["dilation"][axis],
                options["kernel_size"][axis],
                x[2 + axis],
                options["padding"][axis],
                padding,
            )
            for i in range(out[axis])
        ]
        for axis in (0, 1)
    )
    return rows, columns


def every_window_sees(x: Shape, options: Options) -> bool:
    """Return whether no window of a pool is entirely in the padding, where the results of libraries differ."""
    out = window_output("pool2d", x, options["kernel_size"], options)
    return all(map(all, counted_taps(x, options, out, padding=False)))


def taps(image: NDArray[Any], kernel: Pair, options: Options, out: Pair) -> Iterator[tuple[Pair, NDArray[Any]]]:
    """Yield for every tap (p, q) the view (N,C,OH,OW) of the elements that all windows read there in a padded image."""
    (sh, sw), (dh, dw) = options["stride"], options["dilation"]
    for p in range(kernel[0]):
        for q in range(kernel[1]):
            rows = slice(p * dh, p * dh + (out[0] - 1) * sh + 1, sh)
            cols = slice(q * dw, q * dw + (out[1] - 1) * sw + 1, sw)
            yield (p, q), image[:, :, rows, cols]
