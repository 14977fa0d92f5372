"""Copy a band's part of an image, with its padding; columns of different phases of a stride are copied separately."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from kernels.compile.jit import cpu_core
from kernels.declare.shapes import Pair
from kernels.ops.conv2d.cpu.operands import ImageRegion, Images
from kernels.simd.product import clear
from kernels.simd.tile import lanes, load, steps, store, zeros
from kernels.simd.vector_math import even, load_between

Array = NDArray[Any]


@cpu_core
def copy_lines(
    x: Array, line: int, apart: int, count: int, col: int, step: int, width: int, band: Array, to: int, pitch: int
) -> None:
    """Copy the columns col, col + step, ... of ``count`` lines, as many as a vector has, side by side.

    The first line begins at ``line`` and is copied to ``to``, each next one ``apart`` and ``pitch`` further on. Columns
    beyond the ``width`` elements of a line are 0.
    """
    here, two, size = steps(1, 0, 0), steps(2, 0, lanes(band)), lanes(band)
    if step == 1 and col >= 0 and col + size <= width:
        for i in range(count):
            store(load(x, steps(1, line + i * apart + col, 0), here), band, steps(1, to + i * pitch, 0), here)
    elif step == 1:
        for i in range(count):
            at = steps(1, line + i * apart + col, 0)
            vector = load_between(zeros(here, here, band), x, at, here, -col, width - col)
            store(vector, band, steps(1, to + i * pitch, 0), here)
    elif step == 2 and col >= 0 and col + 2 * size <= width:
        for i in range(count):
            store(even(load(x, steps(1, line + i * apart + col, 0), two)), band, steps(1, to + i * pitch, 0), here)
    elif step == 2:
        for i in range(count):
            at = steps(1, line + i * apart + col, 0)
            pair = load_between(zeros(here, two, band), x, at, two, -col, width - col)
            store(even(pair), band, steps(1, to + i * pitch, 0), here)
    else:
        for i in range(count):
            for j in range(size):
                column = col + j * step
                band[to + i * pitch + j] = x[line + i * apart + column] if 0 <= column < width else 0


@cpu_core
def clear_lines(count: int, band: Array, to: int, pitch: int) -> None:
    """Put zeros where ``copy_lines`` copies."""
    here = steps(1, 0, 0)
    for i in range(count):
        store(zeros(here, here, band), band, steps(1, to + i * pitch, 0), here)


@cpu_core
def _copy_inner(
    x: Array, line: int, apart: int, count: int, step: int, vectors: int, band: Array, to: int, pitch: int
) -> None:
    """Copy as ``copy_lines`` does, ``vectors`` vectors of each line, all inside of it; ``step`` is 1 or 2."""
    here, two, size = steps(1, 0, 0), steps(2, 0, lanes(band)), lanes(band)
    for i in range(count):
        at, target = line + i * apart, to + i * pitch
        if step == 1:
            for v in range(0, vectors * size, size):
                store(load(x, steps(1, at + v, 0), here), band, steps(1, target + v, 0), here)
        else:
            for v in range(0, vectors * size, size):
                store(even(load(x, steps(1, at + 2 * v, 0), two)), band, steps(1, target + v, 0), here)


class _Inside(NamedTuple):
    """Which rows of a phase are inside of an image, and which vectors of such a row: [first, end) and [low, high)."""

    first: int
    end: int
    low: int
    high: int


@cpu_core
def _inside(source: Images, above: int, left: int, stride: Pair, rows: int, pitch: int, size: int) -> _Inside:
    """Return what of ``rows`` by ``pitch`` elements, from row ``above`` and column ``left`` on, is inside of an image."""
    step = stride[1]
    first, end, low, high = 0, rows, 0, (pitch + size - 1) // size
    while first < end and above + first * stride[0] < 0:
        first += 1
    while first < end and above + (end - 1) * stride[0] >= source.height:
        end -= 1
    while low < high and left + low * size * step < 0:
        low += 1
    while low < high and (step > 2 or left + high * size * step > source.width):
        high -= 1
    return _Inside(first, end, low, high)


@cpu_core
def fill(source: Images, region: ImageRegion, stride: Pair, phases: Array, own: Any, band: Array, place: int) -> None:
    """Copy to ``place`` in ``band`` what a band of the lattice ``own`` sees; beyond a plane is zero.

    Phase (a, b) has rows row + a + i*stride, columns col + b + j*stride. Whole vectors are written, column by column from
    the right: those at the ends of rows, which run on into the next row, before all others. Behind the last row there is
    room for a vector.
    """
    x, width, size, step = source.array, source.width, lanes(band), stride[1]
    rows, pitch, apart = own["phase_rows"], own["pitch"], stride[0] * source.width
    vectors = (pitch + size - 1) // size
    above, left, inside = 0, 0, _Inside(0, 0, 0, 0)
    for c in range(region.planes):
        start, to = (region.plane + c) * source.height * width, place + c * own["plane"]
        for number in range(own["first_phase"], own["end_phase"]):
            if c == 0 or own["end_phase"] > own["first_phase"] + 1:  # a single phase has the same for all planes
                above, left = region.row + phases[number, 0], region.col + phases[number, 1]
                inside = _inside(source, above, left, stride, rows, pitch, size)
            clear(band, to, inside.first * pitch)
            line, at = start + (above + inside.first * stride[0]) * width, to + inside.first * pitch
            count, low, high = inside.end - inside.first, inside.low, inside.high
            for vector in range(vectors - 1, high - 1, -1):
                v = vector * size
                copy_lines(x, line, apart, count, left + v * step, step, width, band, at + v, pitch)
            inner, there = line + left + low * size * step, at + low * size
            _copy_inner(x, inner, apart, count, step, high - low, band, there, pitch)
            for vector in range(low - 1, -1, -1):
                v = vector * size
                copy_lines(x, line, apart, count, left + v * step, step, width, band, at + v, pitch)
            clear(band, to + inside.end * pitch, (rows - inside.end) * pitch)
            to += rows * pitch
