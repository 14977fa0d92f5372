"""Copy a band's part of an image, with its padding; columns of different phases of a stride are copied separately."""

from typing import Any

from numpy.typing import NDArray

from kernels.compile.jit import cpu_core
from kernels.declare.shapes import Pair
from kernels.ops.conv2d.cpu.operands import ImageRegion, Images
from kernels.simd.product import clear, copy
from kernels.simd.tile import lanes, load, load_first, steps, store, store_first, zeros
from kernels.simd.vector_math import even, odd

Array = NDArray[Any]


@cpu_core
def _seen(left: int, step: int, width: int, count: int) -> tuple[int, int]:
    """Return the range of the ``count`` columns left, left + step, ... that lie inside the image."""
    first = 0 if left >= 0 else min(count, (step - 1 - left) // step)
    return first, max(first, min(count, (width - left + step - 1) // step))


@cpu_core
def _put_zeros(band: Array, to: int, first: int, end: int, count: int) -> None:
    """Put zeros at the ends of a row, before ``first`` and from ``end`` on; the part between is written later."""
    here, size = steps(1, 0, 0), lanes(band)
    if count < size or first > size or count - end > size:
        clear(band, to, count)
        return
    zero = zeros(here, here, band)
    if first > 0:
        store(zero, band, steps(1, to, 0), here)
    if end < count:
        store(zero, band, steps(1, to + count - size, 0), here)


@cpu_core
def copy_row(source: Array, first: int, step: int, count: int, band: Array, to: int) -> None:
    """Copy ``count`` elements that are ``step`` apart to contiguous memory, and write nothing else."""
    here, size = steps(1, 0, 0), lanes(band)
    whole = count // size * size
    copy(source, first, step, whole, band, to)
    place, rest, target = first + whole * step, count - whole, steps(1, to + whole, 0)
    if step == 1 and rest > 0:
        store_first(load_first(source, steps(1, place, 0), here, rest), band, target, here, rest)
    elif step == 2 and rest > 0:
        both = load_first(source, steps(1, place, 0), steps(2, 0, size), 2 * rest - 1)
        store_first(even(both), band, target, here, rest)
    else:
        for k in range(whole, count):
            band[to + k] = source[first + k * step]


@cpu_core
def _separate_row(source: Array, first: int, count: int, band: Array, to: int, other: int) -> None:
    """Copy ``count`` adjacent pairs, the first elements to ``to`` and on, the second to ``other`` and on."""
    here, size = steps(1, 0, 0), lanes(band)
    pair = steps(2, 0, size)
    done = 0
    while done + size <= count:
        both = load(source, steps(1, first + 2 * done, 0), pair)
        store(even(both), band, steps(1, to + done, 0), here)
        store(odd(both), band, steps(1, other + done, 0), here)
        done += size
    if done < count:
        rest = load_first(source, steps(1, first + 2 * done, 0), pair, 2 * (count - done))
        store_first(even(rest), band, steps(1, to + done, 0), here, count - done)
        store_first(odd(rest), band, steps(1, other + done, 0), here, count - done)


@cpu_core
def fill(source: Images, region: ImageRegion, stride: Pair, phases: Array, own: Any, band: Array, place: int) -> None:
    """Copy to ``place`` in ``band`` what a band of the lattice ``own`` sees; beyond a plane is zero.

    Phase (a, b) has rows row + a + i*stride, columns col + b + j*stride.
    """
    height, width = source.height, source.width
    start = region.plane * height * width
    count, rows, step = own["pitch"], own["phase_rows"], stride[1]
    for c in range(region.planes):
        to = place + c * own["plane"]
        number = own["first_phase"]
        while number < own["end_phase"]:
            above, left = region.row + phases[number, 0], region.col + phases[number, 1]
            first, end = _seen(left, step, width, count)
            # two phases of the same rows, each with every second column, at adjacent columns
            both = step == 2 and number + 1 < own["end_phase"] and phases[number, 0] == phases[number + 1, 0]
            other_first, other_end = _seen(left + 1, step, width, count)
            # the other phase looks one column further right: from ``first`` to before ``other_end`` both are inside
            apart = rows * count if both else 0
            for i in range(rows):
                line = above + i * stride[0]
                if line < 0 or line >= height:
                    clear(band, to, count)
                    if both:
                        clear(band, to + apart, count)
                elif both:
                    line = start + (c * height + line) * width + left
                    _put_zeros(band, to, first, end, count)
                    _put_zeros(band, to + apart, other_first, other_end, count)
                    if other_first < first:
                        band[to + apart + other_first] = source.array[line + 2 * other_first + 1]
                    _separate_row(
                        source.array, line + 2 * first, other_end - first, band, to + first, to + apart + first
                    )
                    if other_end < end:
                        band[to + other_end] = source.array[line + 2 * other_end]
                else:
                    line = start + (c * height + line) * width + left
                    _put_zeros(band, to, first, end, count)
                    copy_row(source.array, line + first * step, step, end - first, band, to + first)
                to += count
            to += apart
            number += 2 if both else 1
