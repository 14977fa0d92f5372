"""conv2d and its gradient for x with output columns in the SIMD lanes: filters times the shifted windows of a band.

``kernels.ops.conv2d.cpu.geometry`` defines bands. A tile of output channels by vectors of neighbouring outputs goes
through the taps of the filters once and is written to the output. The last vector of a row overlaps the previous one, so
that none is written in part, unless the row is shorter than a vector.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.filling import fill
from kernels.ops.conv2d.cpu.geometry import Plan, backward_plan, forward_plan
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu
from kernels.ops.conv2d.cpu.operands import Filters, ImageRegion, Images, Strided, find_lattice
from kernels.ops.conv2d.cpu.pointwise import as_rows, is_pointwise, put_back, seen
from kernels.simd.product import Left, Out, Right, aligned, multiply
from kernels.simd.tile import lanes, load, steps, store_each, store_even

Array = NDArray[Any]

CHUNK = 64
"""Planes at a time where filters lie plane by plane, as for the gradient of x. With large filters, each plane's part of a
filter is on its own page; the first-level translation cache holds the addresses of this many pages."""


@cpu_core
def _list_columns(
    lines: int, length: int, pitch: int, out_pitch: int, size: int, overlap: bool, right: Array, out: Array
) -> None:
    """List the starts of the vectors of ``lines`` rows of ``length`` outputs, in the band and in the output.

    With ``overlap`` the last vector of a row overlaps the previous one, so that none is written in part, unless the row is
    shorter than a vector; else it continues past the end of the row.
    """
    vectors = (length + size - 1) // size
    for i in range(lines):
        for j in range(vectors):
            across = max(min(j * size, length - size), 0) if overlap else j * size
            right[i * vectors + j] = i * pitch + across
            out[i * vectors + j] = i * out_pitch + across


@cpu_core
def _scatter(sums: Strided, out: Strided, rows: int, high: int, wide: int) -> None:
    """Store ``rows`` channels of ``high`` by ``wide`` sums in the output."""
    here, size = steps(1, 0, 0), lanes(out.array)
    for r in range(rows):
        for i in range(high):
            target, source = out.start + r * out.plane + i * out.row, sums.start + r * sums.plane + i * sums.row
            if out.col > 2:
                for j in range(wide):
                    out.array[target + j * out.col] = sums.array[source + j]
                continue
            for j in range(0, wide, size):
                vector, count = load(sums.array, steps(1, source + j, 0), here), min(wide - j, size)
                if out.col == 2:
                    store_even(vector, out.array, steps(1, target + 2 * j, 0), here, count)
                else:
                    store_each(vector, out.array, steps(1, target + j, 0), here, count)


@cpu_inline
def _compute(
    source: Images,
    filters: Filters,
    plan: Plan,
    own: Any,
    number: int,
    stride: Pair,
    groups: int,
    spread: Pair,
    out: Images,
) -> None:
    """Compute unit ``number`` of the lattice ``own``; the other parameters are those of ``_correlate``."""
    planes = source.channels // groups
    rows = out.channels // groups
    out_plane = out.height * out.width
    size = lanes(out.array)
    block = number % own["blocks"]
    number //= own["blocks"]
    col = number % own["col_bands"] * own["band_cols"]
    number //= own["col_bands"]
    row = number % own["row_bands"] * own["band_rows"]
    number //= own["row_bands"]
    group, sample = number % groups, number // groups
    high, wide = min(own["band_rows"], own["rows"] - row), min(own["band_cols"], own["cols"] - col)
    first_row = block * own["block_rows"]
    block_rows = min(own["block_rows"], rows - first_row)

    band = aligned(planes * own["plane"] + size, out.array)  # vectors at its end may run on behind it
    region = ImageRegion(
        (sample * groups + group) * planes, planes, row * stride[0] + own["tap_row"], col * stride[1] + own["tap_col"]
    )
    fill(source, region, stride, plan.phases, own, band, 0)
    # filters whose rows are closer together than their planes are read some planes at a time, so that rows share cache lines
    # and pages
    together = own["planes"]
    chunk = planes // together if filters.row > filters.plane else max(CHUNK // together, 1)
    flat = own["flat"] == 1
    apart = flat or spread[0] > 1 or spread[1] > 1 or chunk < planes // together
    lines = 1 if flat else high
    length = (high - 1) * own["pitch"] + wide if flat else wide
    vectors = (length + size - 1) // size
    band_columns, out_columns = np.empty(lines * vectors, np.int64), np.empty(lines * vectors, np.int64)
    out_pitch = vectors * size if apart else out.width
    _list_columns(lines, length, own["pitch"], out_pitch, size, not apart, band_columns, out_columns)
    step = lines * out_pitch if apart else out_plane
    sums = aligned(block_rows * step + size if apart else 0, out.array)  # a vector may begin at the last one
    place = ((sample * groups + group) * rows + first_row) * out_plane
    place += (own["row"] + row * spread[0]) * out.width + own["col"] + col * spread[1]
    filter_rows, out_rows = np.empty(block_rows, np.int64), np.empty(block_rows, np.int64)
    for r in range(block_rows):
        filter_rows[r] = group * filters.group + (first_row + r) * filters.row
        out_rows[r] = r * step if apart else place + r * step
    taps = slice(own["first_tap"], own["end_tap"])
    done = 0
    while True:
        count = min(chunk, planes // together - done)
        multiply(
            Left(filters.array, filter_rows, together * filters.plane, plan.filter_taps[taps]),
            Right(band, band_columns, together * own["plane"], plan.band_taps[taps]),
            count,
            Out(
                sums if apart else out.array,
                out_rows,
                out_columns,
                size if apart else min(size, length),
                filters.bias,
                group * rows + first_row,
                done > 0,
            ),
        )
        done += count
        if done >= planes // together:
            break
        filter_rows += count * together * filters.plane
        band_columns += count * together * own["plane"]
    if apart:
        pitch = own["pitch"] if flat else out_pitch
        target = Strided(out.array, place, out_plane, spread[0] * out.width, spread[1])
        _scatter(Strided(sums, 0, step, pitch, 1), target, block_rows, high, wide)


@cpu_kernel
def _correlate(
    source: Array,
    w: Array,
    w_steps: tuple[int, int, int],
    bias: Array,
    plan: tuple[Any, ...],
    stride: Pair,
    groups: int,
    spread: Pair,
    out: Array,
) -> None:
    """Correlate by units: a band of one sample and group, with all its output channels or a block of them.

    Parameters
    ----------
    source : (N, groups*planes, height, width)
    w, w_steps, bias : of ``Filters``; w has any shape
    plan : ``Plan``
    stride : of the windows over the source
    groups : the source and the output have groups of channels
    spread : rows and columns between the outputs of a lattice
    out : (N, groups*rows, height, width)
    """
    x = Images(source.reshape(source.size), *source.shape)
    bank = Filters(w.reshape(w.size), *w_steps, bias)
    tables = Plan(*plan)
    y = Images(out.reshape(out.size), *out.shape)
    for unit in prange(tables.units):
        which, number = find_lattice(tables.lattices, unit)
        _compute(x, bank, tables, tables.lattices[which], number, stride, groups, spread, y)


def conv2d_bands_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Windows over bands of x. If weights are not finite, ``conv2d_cpu`` may compute the result again."""
    source, out = x, y
    if is_pointwise(w, padding):
        source, out, stride = as_rows(seen(x, stride, y.shape[2:])), as_rows(y), (1, 1)
    plan = forward_plan(source.shape, w.shape, out.shape, stride, padding, dilation, groups, y.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    w_steps = w.shape[0] // groups * depth, depth, size
    _correlate(source, w, w_steps, b, tuple(plan), stride, groups, (1, 1), out)
    if padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y):
        conv2d_cpu(x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_bands_cpu(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Windows over bands of dy, lattice by lattice of dx; for weights that are not finite see ``conv2d_bands_cpu``."""
    source, out, gap = dy, dx, stride
    pointwise = is_pointwise(w, padding)
    if pointwise:
        found = dx if stride == (1, 1) else np.empty((*dx.shape[:2], *dy.shape[2:]), dx.dtype)
        source, out, gap = as_rows(dy), as_rows(found), (1, 1)
    plan = backward_plan(out.shape, w.shape, gap, padding, dilation, groups, dx.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    zeros = np.zeros(dx.shape[1], dx.dtype)
    w_steps = w.shape[0] // groups * depth, size, depth
    _correlate(source, w, w_steps, zeros, tuple(plan), (1, 1), groups, gap, out)
    if pointwise:
        if stride != (1, 1):
            put_back(found, stride, dx)
        return
    if may_have_multiplied_padding(w, dx):
        room = np.empty_like(w), np.empty(w.shape[0], w.dtype)
        conv2d_backward_cpu(dy, x, w, stride, padding, dilation, groups, dx, *room)


def may_have_multiplied_padding(w: Array, out: Array) -> bool:
    """Return whether a weight that is not finite may have met padding, a zero here, and made NaN of a sum without it.

    If all results, or all weights, are finite, this is ruled out. The smaller of the two arrays is checked first.
    """
    smaller, larger = (out, w) if out.size < w.size else (w, out)
    return not np.isfinite(smaller).all() and not np.isfinite(larger).all()
