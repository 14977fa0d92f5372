"""conv2d and its gradient for x with output channels in the SIMD lanes: neighbouring pixels times vectors of filters.

A tile of pixels by two vectors of channels goes through the planes and taps of a band (``channel_plan``). Each step reads
two vectors of filters, which are packed for that in the order of the steps, and its pixels at constant distances from one
address, as factors of multiply-adds. Sums are transposed when they are written to the output.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.bands import may_have_multiplied_padding
from kernels.ops.conv2d.cpu.channel_plan import (
    PAIRED,
    PIXELS,
    ChannelPlan,
    backward_channel_plan,
    forward_channel_plan,
)
from kernels.ops.conv2d.cpu.filling import clear_lines, copy_lines
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu
from kernels.ops.conv2d.cpu.operands import Images, find_lattice
from kernels.simd.product import aligned, turn
from kernels.simd.tile import (
    lane_steps,
    lanes,
    load,
    steps,
    store,
    store_even,
    store_first,
    sweep,
    transpose,
)

Array = NDArray[Any]

TOGETHER = 4
"""Planes that are copied at a time: their parts of a line are neighbours in the band, and on few pages in the source."""


@cpu_core
def _fill(
    source: Images, plane: int, planes: int, row: int, col: int, lines: int, step: int, own: Any, band: Array
) -> None:
    """Copy ``lines`` lines from ``row`` on to a band, whose first window begins at column ``col``; 0 beyond the image."""
    x, width, area, pitch = source.array, source.width, source.height * source.width, own["pitch"]
    for some in range(0, planes, TOGETHER):
        count = min(TOGETHER, planes - some)
        for i in range(lines):
            line = (plane + some) * area + (row + i) * width
            for s in range(own["spans"]):
                start = i * own["line"] + s * step * own["apart"] + some * pitch
                for v in range(0, pitch, lanes(band)):
                    for phase in range(step):
                        first, to = col + (s * own["span"] + v) * step + phase, start + phase * own["apart"] + v
                        if 0 <= row + i < source.height:
                            copy_lines(x, line, area, count, first, step, width, band, to, pitch)
                        else:
                            clear_lines(count, band, to, pitch)


class Pixels(NamedTuple):
    """What the tiles of a chunk of outputs read of a band.

    Attributes
    ----------
    band : flat, float
    down, across : from a row or a column of outputs to the next one, in elements; a column is ``across`` from span to span
    span : columns of a span
    pitch : from plane to plane
    shifts : where the taps are
    """

    band: Array
    down: int
    across: int
    span: int
    pitch: int
    shifts: Array


class Panel(NamedTuple):
    """The filters of some channels, one or two vectors.

    Attributes
    ----------
    w, places : flat, float; the numbers of the taps in a plane of a filter
    size : the taps of a plane
    bias, channel : flat, float; the first of the channels in it
    """

    w: Array
    places: Array
    size: int
    bias: Array
    channel: int


class Sums(NamedTuple):
    """Sums of a chunk of outputs: flat, float; from row to row of outputs. The channels of a pixel are side by side."""

    array: Array
    row: int


def _micro(lines: int, pixels: int, n: int) -> Any:
    """Make the sums of ``lines`` times ``pixels`` neighbouring pixels and n vectors of channels."""
    m = lines * pixels

    @cpu_core
    def micro(x: Pixels, place: int, panel: Panel, first: int, planes: int, sums: Sums, to: int, more: bool) -> None:
        wide = n * lanes(sums.array)
        columns = steps(n, 0, lanes(sums.array))
        if lines == 2:
            rows = steps(pixels, to, wide) + steps(pixels, to + sums.row, wide)
        else:
            rows = steps(pixels, to, wide)
        if more:
            tile = load(sums.array, rows, columns)
        else:
            tile = load(panel.bias, steps(m, panel.channel, 0), columns)
        for _ in range(planes):
            for t in range(x.shifts.size):
                at, filters = place + x.shifts[t], first + panel.places[t] * wide
                tile = sweep(tile, pixels, x.band, at, x.down, panel.w, filters)
            place += x.pitch
            first += panel.size * wide
        store(tile, sums.array, rows, columns)

    return micro


def _multiplier(n: int) -> Any:
    """Make the sums of all pixels of some rows of outputs, in tiles n vectors of channels wide."""
    p0, p1, p2, p3, p4 = PIXELS
    q0, q1, q2, q3 = PAIRED
    m0, m1, m2, m3, m4 = (_micro(1, each, n) for each in PIXELS)
    k0, k1, k2, k3 = (_micro(2, each, n) for each in PAIRED)

    @cpu_core
    def row(
        x: Pixels, start: int, cols: int, panel: Panel, first: int, planes: int, sums: Sums, to: int, more: bool
    ) -> None:
        j = 0
        while j < cols:
            at, left = start + j // x.span * x.across + j % x.span, cols - j
            own = to + j * n * lanes(sums.array)
            if left >= p0:
                m0(x, at, panel, first, planes, sums, own, more)
                j += p0
            elif left >= p1:
                m1(x, at, panel, first, planes, sums, own, more)
                j += p1
            elif left >= p2:
                m2(x, at, panel, first, planes, sums, own, more)
                j += p2
            elif left >= p3:
                m3(x, at, panel, first, planes, sums, own, more)
                j += p3
            else:
                m4(x, at, panel, first, planes, sums, own, more)
                j += p4

    @cpu_core
    def pair(
        x: Pixels, start: int, cols: int, panel: Panel, first: int, planes: int, sums: Sums, to: int, more: bool
    ) -> None:
        j = 0
        while j < cols:
            at, left = start + j // x.span * x.across + j % x.span, cols - j
            own = to + j * n * lanes(sums.array)
            if left >= q0:
                k0(x, at, panel, first, planes, sums, own, more)
                j += q0
            elif left >= q1:
                k1(x, at, panel, first, planes, sums, own, more)
                j += q1
            elif left >= q2:
                k2(x, at, panel, first, planes, sums, own, more)
                j += q2
            else:
                k3(x, at, panel, first, planes, sums, own, more)
                j += q3

    @cpu_core
    def multiply(
        x: Pixels,
        start: int,
        rows: int,
        cols: int,
        paired: bool,
        panel: Panel,
        first: int,
        planes: int,
        sums: Sums,
        more: bool,
    ) -> None:
        i = 0
        while i < rows:
            if paired and i + 1 < rows:
                pair(x, start + i * x.down, cols, panel, first, planes, sums, i * sums.row, more)
                i += 2
            else:
                row(x, start + i * x.down, cols, panel, first, planes, sums, i * sums.row, more)
                i += 1

    return multiply


_multiply_one, _multiply_two = _multiplier(1), _multiplier(2)


@cpu_core
def _put(
    sums: Array, first: int, wide: int, channels: int, pixels: int, out: Array, to: int, plane: int, step: int
) -> None:
    """Write the sums of pixels side by side, ``step`` apart in the output; (pixel, channel) is at pixel*wide + channel.

    Channels beyond the last have the sums of the last one, which are written again.
    """
    if step > 2:
        for r in range(channels):
            for j in range(pixels):
                out[to + r * plane + j * step] = sums[first + j * wide + r]
        return
    here, size = steps(1, 0, 0), lanes(sums)
    for i in range(0, channels, size):
        for j in range(0, pixels, size):
            start, count = first + j * wide + i, min(pixels - j, size)
            square = transpose(load(sums, lane_steps(sums, start, wide, first + (pixels - 1) * wide + i), here))
            places = lane_steps(out, to + i * plane + j * step, plane, to + (channels - 1) * plane + j * step)
            if step == 1:
                store_first(square, out, places, here, count)
            else:
                store_even(square, out, places, here, count)


class PackedFilters(NamedTuple):
    """Filters as ``_pack`` and ``_pack_back`` leave them.

    Attributes
    ----------
    packed : flat, float, panels of two vectors of channels or, at the end of a group, one; [term][channel]
    room : what a channel takes in it
    bias : float, those of every group padded to whole vectors
    """

    packed: Array
    room: int
    bias: Array


@cpu_inline
def _compute(
    source: Images,
    filters: PackedFilters,
    plan: ChannelPlan,
    own: Any,
    number: int,
    stride: Pair,
    groups: int,
    spread: Pair,
    out: Images,
) -> None:
    """Compute unit ``number`` of the lattice ``own``; the other parameters are those of ``_correlate``."""
    planes, rows, size = source.channels // groups, out.channels // groups, lanes(out.array)
    panels, padded = (rows + 2 * size - 1) // (2 * size), (rows + size - 1) // size * size
    block = number % own["blocks"]
    number //= own["blocks"]
    col = number % own["col_bands"] * own["band_cols"]
    number //= own["col_bands"]
    row = number % own["row_bands"] * own["band_rows"]
    number //= own["row_bands"]
    group, sample = number % groups, number // groups
    high, wide = min(own["band_rows"], own["rows"] - row), min(own["band_cols"], own["cols"] - col)
    lines, down = (high - 1) * stride[0] + own["halo_rows"] + 1, stride[0] * own["line"]
    band = aligned(lines * own["line"], out.array)
    plane, top, left = (
        (sample * groups + group) * planes,
        row * stride[0] + own["tap_row"],
        col * stride[1] + own["tap_col"],
    )
    _fill(source, plane, planes, top, left, lines, stride[1], own, band)
    room_of_sums = aligned(own["chunk"] * own["band_cols"] * 2 * size, out.array)
    taps = slice(own["first_tap"], own["end_tap"])
    x = Pixels(band, down, stride[1] * own["apart"], own["span"], own["pitch"], plan.shifts[taps])
    out_plane = out.height * out.width
    for number in range(block * own["block_panels"], min((block + 1) * own["block_panels"], panels)):
        channel, left_over = number * 2 * size, rows - number * 2 * size
        across, count = size if left_over <= size else 2 * size, min(left_over, 2 * size)
        panel = Panel(filters.packed, plan.places[taps], plan.size, filters.bias, group * padded + channel)
        first, sums = panel.channel * filters.room, Sums(room_of_sums, wide * across)
        start = ((sample * groups + group) * rows + channel) * out_plane
        for top in range(0, high, own["chunk"]):
            tall = min(own["chunk"], high - top)
            for c in range(0, planes, own["planes"]):
                at, begin, some = (
                    top * down + c * x.pitch,
                    first + c * plan.size * across,
                    min(own["planes"], planes - c),
                )
                if across == size:
                    _multiply_one(x, at, tall, wide, own["paired"] == 1, panel, begin, some, sums, c > 0)
                else:
                    _multiply_two(x, at, tall, wide, own["paired"] == 1, panel, begin, some, sums, c > 0)
            is_whole = spread[0] == 1 and spread[1] == 1 and wide == out.width
            for i in range(1 if is_whole else tall):
                to = start + (own["row"] + (row + top + i) * spread[0]) * out.width + own["col"] + col * spread[1]
                pixels = tall * wide if is_whole else wide
                _put(room_of_sums, i * sums.row, across, count, pixels, out.array, to, out_plane, spread[1])


@cpu_kernel
def _correlate(
    source: Array, filters: tuple[Any, ...], plan: tuple[Any, ...], stride: Pair, groups: int, spread: Pair, out: Array
) -> None:
    """Correlate by units: a band of one sample and group, with all its output channels or a block of them.

    Parameters
    ----------
    source : (N, groups*planes, height, width)
    filters, plan : ``PackedFilters``, ``ChannelPlan``
    stride : of the windows over the source
    groups : the source and the output have groups of channels
    spread : rows and columns between the outputs of a lattice
    out : (N, groups*rows, height, width)
    """
    x, y = Images(source.reshape(source.size), *source.shape), Images(out.reshape(out.size), *out.shape)
    bank, tables = PackedFilters(*filters), ChannelPlan(*plan)
    for unit in prange(tables.units):
        which, number = find_lattice(tables.lattices, unit)
        _compute(x, bank, tables, tables.lattices[which], number, stride, groups, spread, y)


@cpu_kernel
def _pack(w: Array, b: Array, depth: int, room: int, groups: int, packed: Array, bias: Array) -> None:
    """Lay filters out as panels of channels, [term][channel]: (groups * rows, depth), of which a channel takes ``room``.

    ``bias`` has those of every group, the last one repeated to whole vectors.
    """
    size, rows = lanes(packed), b.size // groups
    panels, padded = (rows + 2 * size - 1) // (2 * size), (rows + size - 1) // size * size
    for unit in prange(groups * panels):
        number: Any = np.int64(unit)  # a parallel loop's counter is unsigned
        group, panel = number // panels, number % panels
        count, channel = min(2 * size, rows - panel * 2 * size), panel * 2 * size
        wide = size if count <= size else 2 * size
        turn(w, (group * rows + channel) * depth, depth, count, depth, packed, (group * padded + channel) * room, wide)
        for lane in range(wide):
            bias[group * padded + channel + lane] = b[group * rows + channel + min(lane, count - 1)]


@cpu_kernel
def _pack_back(w: Array, channels: int, outputs: int, taps: int, room: int, groups: int, packed: Array) -> None:
    """Lay filters (groups * outputs, channels, taps) out for the gradient of the input: panels, [output][tap][channel]."""
    size = lanes(packed)
    panels, padded = (channels + 2 * size - 1) // (2 * size), (channels + size - 1) // size * size
    for unit in prange(groups * panels):
        number: Any = np.int64(unit)  # a parallel loop's counter is unsigned
        group, panel = number // panels, number % panels
        count = min(2 * size, channels - panel * 2 * size)
        wide, to = size if count <= size else 2 * size, (group * padded + panel * 2 * size) * room
        for o in range(outputs):
            first = ((group * outputs + o) * channels + panel * 2 * size) * taps
            turn(w, first, taps, count, taps, packed, to + o * taps * wide, wide)


def _padded(count: int, size: int) -> int:
    return -(-count // size) * size


def conv2d_channels_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Tiles of pixels by channels. If weights are not finite, ``conv2d_cpu`` may compute the result again."""
    plan = forward_channel_plan(x.shape, w.shape, y.shape, stride, padding, dilation, groups, y.itemsize)
    size, depth = lanes(y), w[0].size
    room, channels = depth + size, groups * _padded(w.shape[0] // groups, size)
    packed, bias = aligned(channels * room, y), np.empty(channels, y.dtype)
    _pack(w.reshape(-1), b, depth, room, groups, packed, bias)
    _correlate(x, (packed, room, bias), tuple(plan), stride, groups, (1, 1), y)
    if padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y):
        conv2d_cpu(x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_channels_cpu(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Tiles of pixels by channels, lattice by lattice of dx; for weights that are not finite see ``conv2d_channels_cpu``."""
    plan = backward_channel_plan(dx.shape, w.shape, stride, padding, dilation, groups, dx.itemsize)
    size, outputs, taps = lanes(dx), w.shape[0] // groups, w.shape[2] * w.shape[3]
    room, channels = outputs * taps + size, groups * _padded(w.shape[1], size)
    packed, bias = aligned(channels * room, dx), np.zeros(channels, dx.dtype)
    _pack_back(w.reshape(-1), w.shape[1], outputs, taps, room, groups, packed)
    _correlate(dy, (packed, room, bias), tuple(plan), (1, 1), groups, stride, dx)
    if may_have_multiplied_padding(w, dx):
        extra = np.empty_like(w), np.empty(w.shape[0], w.dtype)
        conv2d_backward_cpu(dy, x, w, stride, padding, dilation, groups, dx, *extra)
