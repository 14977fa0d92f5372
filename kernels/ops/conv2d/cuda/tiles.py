"""conv2d and its dx on CUDA as products of matrices by blocks of threads, gathered where they are needed.

The rows of the product are channels, its columns are pixels, and the terms of a sum are taps: a channel on the other side, a
row and a column of the filter. The gradient of a strided convolution falls apart into lattices of pixels that meet the same
taps; each is a product of its own, so that no kernel divides by the stride.

Float32 only: a tile of float64 takes more registers than a thread has beside it.

Padding is a zero that is multiplied, which may turn an infinity into a NaN. A thread whose results are not finite computes
them again without the terms outside of the image.
"""

from typing import Any

from numba import cuda, int32, int64, uint32
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device, cuda_kernel, launch_blocks
from kernels.declare.shapes import Padding, Pair
from kernels.memory.scratch import scratch
from kernels.ops.conv2d.cuda.windows import Block, Filters, Gather, Plane, backward_windows, forward_windows
from kernels.simt.block_product import (
    DEPTH,
    HELD,
    PANEL,
    PANELS,
    RESULTS,
    SIDE,
    SPREAD,
    TERMS,
    THREADS,
    Layout,
    Sums,
    add_to_rows,
    fetch,
    is_finite,
    own_column,
    own_row,
    place,
    place_column,
    starts,
)
from kernels.simt.operands import add_parts, is_aligned, layout, split
from kernels.simt.tensor_product import BF16, FULL, TF32
from kernels.simt.tile import ALIGNMENT, Tile, part, put, spread, store

Array = NDArray[Any]
TABLE = 2 * DEPTH
"""Terms in the tables of two panels."""

OUTSIDE = -(1 << 30)
"""A row that is in no image: of terms beyond the last."""


@cuda_device
def _describe(
    gather: Gather,
    filters: Filters,
    at: int,
    term: int,
    end: int,
    delta: Array,
    rows: Array,
    columns: Array,
    taps: Array,
) -> None:
    """Write to the tables, from ``at`` on, where the terms of a panel are in the image and in the filters."""
    t = uint32(cuda.threadIdx.x)
    if t < uint32(DEPTH):
        own = uint32(term) + t
        q, over = int64(own % uint32(gather.taps_w)), own // uint32(gather.taps_w)
        p, channel = int64(over % uint32(gather.taps_h)), int64(over // uint32(gather.taps_h))
        row, column = p * gather.row_step, q * gather.column_step
        delta[at + t] = (channel * gather.height + row) * gather.width + column
        rows[at + t] = row if term + int64(t) < end else OUTSIDE
        columns[at + t] = column
        taps[at + t] = channel * filters.channel + p * filters.row + q * filters.column


@cuda_device
def _pixel(gather: Gather, number: int) -> tuple[int, int, int]:
    """Return the sample, row and column of a pixel of the results."""
    area = uint32(gather.rows * gather.columns)
    sample, own = uint32(number) // area, uint32(number) % area
    return int64(sample), int64(own // uint32(gather.columns)), int64(own % uint32(gather.columns))


@cuda_device
def _fetch_pixels(
    x: Array, gather: Gather, start: int, row: int, column: int, at: int, delta: Array, rows: Array, columns: Array
) -> Tile:
    """Read what the terms of a panel meet for one pixel of the results; zeros outside of the image."""
    held = spread(HELD, x.dtype.type(0))
    for term in range(DEPTH):
        i, j = uint32(row + rows[at + term]), uint32(column + columns[at + term])
        if i < uint32(gather.height) and j < uint32(gather.width):
            held = put(held, term, x[start + delta[at + term]])
    return held


@cuda_device
def _fetch_left(
    w: Array,
    filters: Filters,
    layout: Layout,
    pieces: tuple[int, int, int, int],
    block: Block,
    term: int,
    at: int,
    rows: Array,
    taps: Array,
) -> Tile:
    """Read what a thread holds of a panel of filters: 16 bytes at a time, or as ``SPREAD`` does by the table of taps."""
    start = filters.first + block.group * filters.group
    if layout.way != SPREAD:
        return fetch(w, layout, pieces, block.top, start + term, start + block.end)
    held, t = spread(HELD, w.dtype.type(0)), int64(cuda.threadIdx.x)
    for half in range(2):
        own = at + t % 8 + 8 * half
        if rows[own] != OUTSIDE:
            origin = start + taps[own]
            for n in range(8):
                number = min(block.top + t // 8 + 8 * n, filters.places - 1)
                held = put(held, 2 * n + half, w[origin + number * filters.place])
    return held


@cuda_device
def _store_pixels(
    tile: Tile, half: int, gather: Gather, filters: Filters, block: Block, plane: Plane, y: Array
) -> None:
    """Write the results of a thread in four neighbouring columns: its rows are channels, its columns pixels.

    ``half`` is 0 or 1: which of its two groups of columns.
    """
    size, limit = plane.height * plane.width, gather.batch * gather.rows * gather.columns
    own_top = block.top + int64(own_row()) * 4
    column = block.left + int64(own_column()) * 4 + half * (SIDE // 2)
    sample, u, v = _pixel(gather, min(column, limit - 1))
    for c in range(4):
        if column + c < limit and (c == 0 or plane.wide == 0):
            start = block.origin + sample * filters.groups * filters.places * size
            start += (u * plane.row_step + plane.row_first) * plane.width + v * plane.column_step + plane.column_first
            for r in range(8):
                row = own_top + r % 4 + r // 4 * (SIDE // 2)
                if row < filters.places:
                    if plane.wide != 0:
                        store(y, start + row * size, part(tile, 8 * r + 4 * half, 4))
                    else:
                        y[start + row * size] = part(tile, 8 * r + 4 * half + c, 1)[0]
        v += 1
        if v == gather.columns:
            v = 0
            u += 1
        if u == gather.rows:
            u = 0
            sample += 1


@cuda_device
def _sum_inside(
    x: Array,
    gather: Gather,
    origin: int,
    row: int,
    column: int,
    w: Array,
    filters: Filters,
    first: int,
    term: int,
    end: int,
) -> Any:
    """Return the sum of a result's terms inside of the image, one after the other."""
    total = w.dtype.type(0)
    for own in range(term, end):
        q, over = own % gather.taps_w, own // gather.taps_w
        p, channel = over % gather.taps_h, over // gather.taps_h
        i, j = row + p * gather.row_step, column + q * gather.column_step
        if 0 <= i < gather.height and 0 <= j < gather.width:
            value = x[origin + (channel * gather.height + i) * gather.width + j]
            total += w[first + channel * filters.channel + p * filters.row + q * filters.column] * value
    return total


@cuda_device
def _store_inside(
    x: Array, gather: Gather, w: Array, filters: Filters, block: Block, bias: Array, plane: Plane, y: Array
) -> None:
    """Compute the results of a thread again, from terms inside of the image alone, and write them."""
    size, places = plane.height * plane.width, filters.places
    limit = gather.batch * gather.rows * gather.columns
    for c in range(8):
        number = block.left + int64(own_column()) * 4 + c % 4 + c // 4 * (SIDE // 2)
        if number < limit:
            sample, u, v = _pixel(gather, number)
            row, column = u * gather.row_stride + gather.row_first, v * gather.column_stride + gather.column_first
            image = (sample * gather.channels + block.group * gather.own) * gather.height * gather.width
            start = block.origin + sample * filters.groups * places * size
            start += (u * plane.row_step + plane.row_first) * plane.width + v * plane.column_step + plane.column_first
            for r in range(8):
                place_of = block.top + int64(own_row()) * 4 + r % 4 + r // 4 * (SIDE // 2)
                if place_of < places:
                    first = filters.first + block.group * filters.group + place_of * filters.place
                    total = _sum_inside(x, gather, image, row, column, w, filters, first, block.term, block.end)
                    if block.has_bias != 0:
                        total += bias[block.group * places + place_of]
                    y[start + place_of * size] = total


def _make_product(prepared: Any, multiplied: Any, finished: Any) -> Any:
    """Make a product from what ``tensor_product`` lists for a precision."""

    @cuda_kernel
    def _product(
        x: Array,
        gather: Gather,
        w: Array,
        filters: Filters,
        layout: Layout,
        sums: Sums,
        bias: Array,
        plane: Plane,
        y: Array,
    ) -> None:
        panels = cuda.shared.array(PANELS, y.dtype, alignment=ALIGNMENT)
        delta, taps = cuda.shared.array(TABLE, int64), cuda.shared.array(TABLE, int64)
        rows, columns = cuda.shared.array(TABLE, int32), cuda.shared.array(TABLE, int32)
        places, pixels = filters.places, gather.batch * gather.rows * gather.columns
        across, down = (pixels + SIDE - 1) // SIDE, (places + SIDE - 1) // SIDE
        tiles, size = filters.groups * down * across, plane.height * plane.width
        for item in range(cuda.blockIdx.x, sums.parts * tiles, cuda.gridDim.x):
            number, group, slot = item // tiles, item % tiles // (down * across), item % (down * across)
            term, top, start = number * sums.own, slot // across * SIDE, slot % across * SIDE
            end = min(term + sums.own, sums.terms)
            begin = (number * gather.batch * filters.groups + group) * places * size
            has_bias = sums.has_bias if number == 0 else 0
            block = Block(group, term, end, begin, top, start, has_bias, gather.is_padded)
            sample, u, v = _pixel(gather, min(start + int64(cuda.threadIdx.x), pixels - 1))
            row, column = u * gather.row_stride + gather.row_first, v * gather.column_stride + gather.column_first
            origin = (sample * gather.channels + group * gather.own) * gather.height * gather.width
            origin += row * gather.width + column
            pieces, at, base = starts(layout, top), uint32(0), uint32(0)
            tile = spread(RESULTS, y.dtype.type(0))
            _describe(gather, filters, 0, term, end, delta, rows, columns, taps)
            _describe(gather, filters, DEPTH, term + DEPTH, end, delta, rows, columns, taps)
            cuda.syncthreads()
            place(
                panels, base, layout.way, prepared(_fetch_left(w, filters, layout, pieces, block, term, at, rows, taps))
            )
            place_column(
                panels,
                base + uint32(2 * PANEL),
                prepared(_fetch_pixels(x, gather, origin, row, column, at, delta, rows, columns)),
            )
            cuda.syncthreads()
            while term < end:
                term += DEPTH
                at ^= uint32(DEPTH)
                held = _fetch_pixels(x, gather, origin, row, column, at, delta, rows, columns)
                a_held = _fetch_left(w, filters, layout, pieces, block, term, at, rows, taps)
                tile = multiplied(tile, panels, base, base + uint32(2 * PANEL))
                base ^= uint32(PANEL)
                place(panels, base, layout.way, prepared(a_held))
                place_column(panels, base + uint32(2 * PANEL), prepared(held))
                _describe(gather, filters, at ^ uint32(DEPTH), term + DEPTH, end, delta, rows, columns, taps)
                cuda.syncthreads()
            tile = finished(tile, panels)
            if block.has_bias != 0:
                tile = add_to_rows(tile, bias, group * places, top, places)
            if block.is_padded != 0 and not is_finite(tile):
                _store_inside(x, gather, w, filters, block, bias, plane, y)
            else:
                _store_pixels(tile, 0, gather, filters, block, plane, y)
                _store_pixels(tile, 1, gather, filters, block, plane, y)

    return _product


_product, _product_tf32, _product_bf16 = _make_product(*FULL), _make_product(*TF32), _make_product(*BF16)


def _launch(
    product: Any,
    x: Array,
    gather: Gather,
    w: Array,
    filters: Filters,
    layout: Layout,
    sums: Sums,
    bias: Array,
    plane: Plane,
    y: Array,
) -> None:
    pixels = gather.batch * gather.rows * gather.columns
    blocks = sums.parts * filters.groups * -(-filters.places // SIDE) * -(-pixels // SIDE)
    given = x.reshape(x.size), gather, w.reshape(w.size), filters, layout, sums, bias, plane, y
    launch_blocks(product, blocks, THREADS, *given)


def _make_forward(product: Any) -> Any:
    def run(
        x: Array,
        w: Array,
        b: Array,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        y: Array,
    ) -> None:
        """Compute y as a product of filters and pixels for each group."""
        gather, filters, plane = forward_windows(x.shape, w.shape, y.shape, stride, padding, dilation, groups)
        terms, pixels = w[0].size, gather.batch * gather.rows * gather.columns
        parts, own, _ = split(filters.places, pixels, terms, groups)
        target = y.reshape(y.size) if parts == 1 else scratch(parts * y.size, y.dtype)
        plane = plane._replace(wide=int(gather.rows * gather.columns % 4 == 0 and is_aligned(target)))
        own_layout = layout(w, filters.places, terms, TERMS)
        _launch(product, x, gather, w, filters, own_layout, Sums(terms, parts, own, 1), b, plane, target)
        if parts > 1:
            add_parts(target, parts, y)

    return run


def _make_backward(product: Any) -> Any:
    def run(
        dy: Array,
        x: Array,
        w: Array,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        dx: Array,
    ) -> None:
        """Compute dx as a product of filters and pixels of dy for each group and lattice."""
        batch, _, height, width = dx.shape
        outputs, places, taps_h, taps_w = w.shape
        most = outputs // groups * -(-taps_h // stride[0]) * -(-taps_w // stride[1])
        parts, _, _ = split(places, batch * height * width, most, groups)
        target = dx.reshape(dx.size) if parts == 1 else scratch(parts * dx.size, dx.dtype)
        wide = int(stride == (1, 1) and height * width % 4 == 0 and is_aligned(target))
        spread_layout = Layout(SPREAD, places, taps_h * taps_w, places * taps_h * taps_w)
        for gather, filters, plane, terms in backward_windows(
            dy.shape, w.shape, dx.shape, stride, padding, dilation, groups
        ):
            own = max(1, -(-terms // (parts * DEPTH))) * DEPTH
            sums, wide_plane = Sums(terms, parts, own, 0), plane._replace(wide=wide)
            _launch(product, dy, gather, w, filters, spread_layout, sums, target, wide_plane, target)
        if parts > 1:
            add_parts(target, parts, dx)

    return run


conv2d_tiles_cuda = _make_forward(_product)
conv2d_tf32_cuda = _make_forward(_product_tf32)
conv2d_bf16_cuda = _make_forward(_product_bf16)

conv2d_dx_tiles_cuda = _make_backward(_product)
conv2d_dx_tf32_cuda = _make_backward(_product_tf32)
conv2d_dx_bf16_cuda = _make_backward(_product_bf16)
