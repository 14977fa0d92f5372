"""The gradient of conv2d's filters on CUDA as a product of matrices by blocks of threads.

Its rows are output channels, its columns are taps, the terms of a sum are pixels. Float32 only, and results that are not
finite are computed again without padding, as in ``tiles``.
"""

from typing import Any

from numba import cuda, int32, int64, uint32
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device, cuda_kernel, launch_blocks
from kernels.declare.shapes import Padding, Pair
from kernels.memory.scratch import scratch
from kernels.ops.conv2d.cuda.bias import backward_bias
from kernels.ops.conv2d.cuda.windows import Block, Gather, windows
from kernels.simt.block_product import (
    DEPTH,
    HELD,
    PANEL,
    PANELS,
    RESULTS,
    SIDE,
    TERMS,
    THREADS,
    Layout,
    fetch,
    is_finite,
    own_column,
    own_row,
    place,
    place_spread,
    starts,
    store_results,
)
from kernels.simt.operands import add_parts, is_aligned, layout, split
from kernels.simt.tensor_product import BF16, FULL, TF32
from kernels.simt.tile import ALIGNMENT, Tile, put, spread

Array = NDArray[Any]


@cuda_device
def _fetch_taps(
    x: Array, gather: Gather, origin: int, pixel: int, end: int, delta: Array, rows: Array, columns: Array
) -> Tile:
    """Read what a thread holds of a panel whose places are taps and whose terms are pixels, as ``SPREAD`` does."""
    held, t = spread(HELD, x.dtype.type(0)), int64(cuda.threadIdx.x)
    for half in range(2):
        own = pixel + t % 8 + 8 * half
        if own < end:
            u, v = int64(uint32(own) // uint32(gather.columns)), int64(uint32(own) % uint32(gather.columns))
            row, column = u * gather.row_stride + gather.row_first, v * gather.column_stride + gather.column_first
            start = origin + row * gather.width + column
            for n in range(8):
                tap = t // 8 + 8 * n
                i, j = uint32(row + rows[tap]), uint32(column + columns[tap])
                if i < uint32(gather.height) and j < uint32(gather.width):
                    held = put(held, 2 * n + half, x[start + delta[tap]])
    return held


@cuda_device
def _store_weights_inside(
    dy: Array, x: Array, gather: Gather, groups: int, block: Block, rows: int, columns: int, dw: Array
) -> None:
    """Compute the results of a thread again, from pixels inside of the image alone, and write them.

    Parameters
    ----------
    block : its terms are panels of pixels
    rows, columns : of the results of a group
    """
    area, size = gather.rows * gather.columns, gather.height * gather.width
    steps = (area + DEPTH - 1) // DEPTH
    for c in range(8):
        column = block.left + int64(own_column()) * 4 + c % 4 + c // 4 * (SIDE // 2)
        q, over = column % gather.taps_w, column // gather.taps_w
        p, channel = over % gather.taps_h, over // gather.taps_h
        for r in range(8):
            row = block.top + int64(own_row()) * 4 + r % 4 + r // 4 * (SIDE // 2)
            if row < rows and column < columns:
                total = dw.dtype.type(0)
                for each in range(block.term * DEPTH, block.end * DEPTH):
                    sample, pixel = each // (steps * DEPTH), each % (steps * DEPTH)
                    i = pixel // gather.columns * gather.row_stride + gather.row_first + p * gather.row_step
                    j = pixel % gather.columns * gather.column_stride + gather.column_first + q * gather.column_step
                    if pixel < area and 0 <= i < gather.height and 0 <= j < gather.width:
                        image = ((sample * groups + block.group) * gather.own + channel) * size
                        gradient = dy[((sample * groups + block.group) * rows + row) * area + pixel]
                        total += gradient * x[image + i * gather.width + j]
                dw[block.origin + row * columns + column] = total


def _make_product(prepared: Any, multiplied: Any, finished: Any) -> Any:
    """Make a product from what ``tensor_product`` lists for a precision."""

    @cuda_kernel
    def _backward_weights(
        dy: Array,
        layout: Layout,
        x: Array,
        gather: Gather,
        groups: int,
        parts: int,
        own: int,
        wide: bool,
        dw: Array,
    ) -> None:
        panels = cuda.shared.array(PANELS, dw.dtype, alignment=ALIGNMENT)
        delta = cuda.shared.array(SIDE, int64)
        rows, columns = cuda.shared.array(SIDE, int32), cuda.shared.array(SIDE, int32)
        places, taps, t = layout.places, gather.own * gather.taps_h * gather.taps_w, int64(cuda.threadIdx.x)
        area, size = gather.rows * gather.columns, gather.height * gather.width
        steps = (area + DEPTH - 1) // DEPTH  # panels of a sample
        across, down = (taps + SIDE - 1) // SIDE, (places + SIDE - 1) // SIDE
        tiles = groups * down * across
        for item in range(cuda.blockIdx.x, parts * tiles, cuda.gridDim.x):
            number, group, slot = item // tiles, item % tiles // (down * across), item % (down * across)
            top, start = slot // across * SIDE, slot % across * SIDE
            tap = uint32(min(start + t, taps - 1))
            q, over = int64(tap % uint32(gather.taps_w)), tap // uint32(gather.taps_w)
            p, channel = int64(over % uint32(gather.taps_h)), int64(over // uint32(gather.taps_h))
            cuda.syncthreads()  # the tables may still be read
            rows[t], columns[t] = p * gather.row_step, q * gather.column_step
            delta[t] = channel * size + rows[t] * gather.width + columns[t]
            cuda.syncthreads()
            left_over = min(own, gather.batch * steps - number * own)
            sample, pixel = number * own // steps, number * own % steps * DEPTH
            pieces, base = starts(layout, top), uint32(0)
            tile = spread(RESULTS, dw.dtype.type(0))
            end = area if left_over > 0 else 0
            term = (sample * groups + group) * places * area
            origin = (sample * groups + group) * gather.own * size
            place(panels, base, layout.way, prepared(fetch(dy, layout, pieces, top, term + pixel, term + end)))
            place_spread(
                panels,
                base + uint32(2 * PANEL),
                prepared(_fetch_taps(x, gather, origin, pixel, end, delta, rows, columns)),
            )
            cuda.syncthreads()
            while left_over > 0:
                left_over -= 1
                pixel += DEPTH
                if pixel >= area:
                    pixel = 0
                    term += groups * places * area
                    origin += groups * gather.own * size
                end = area if left_over > 0 else 0
                a_held = fetch(dy, layout, pieces, top, term + pixel, term + end)
                held = _fetch_taps(x, gather, origin, pixel, end, delta, rows, columns)
                tile = multiplied(tile, panels, base, base + uint32(2 * PANEL))
                base ^= uint32(PANEL)
                place(panels, base, layout.way, prepared(a_held))
                place_spread(panels, base + uint32(2 * PANEL), prepared(held))
                cuda.syncthreads()
            tile = finished(tile, panels)
            origin = (number * groups + group) * places * taps
            if gather.is_padded != 0 and not is_finite(tile):
                end = min(number * own + own, gather.batch * steps)
                block = Block(group, number * own, end, origin, top, start, 0, 1)
                _store_weights_inside(dy, x, gather, groups, block, places, taps, dw)
            else:
                store_results(tile, dw, origin, top, start, places, taps, wide)

    return _backward_weights


_product, _product_tf32, _product_bf16 = _make_product(*FULL), _make_product(*TF32), _make_product(*BF16)


def _make_backward(product: Any) -> Any:
    def run(
        dy: Array,
        x: Array,
        w: Array,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        dw: Array,
        db: Array,
    ) -> None:
        """Compute dw as a product of dy and pixels for each group, and db as sums by blocks."""
        batch, _, out_h, out_w = dy.shape
        outputs, own, taps_h, taps_w = dw.shape
        places, taps, area = outputs // groups, own * taps_h * taps_w, out_h * out_w
        gather = windows(x.shape, w.shape, (out_h, out_w), stride, padding, dilation)
        steps = batch * -(-area // DEPTH)
        parts, terms, blocks = split(places, taps, steps * DEPTH, groups)
        target = dw.reshape(dw.size) if parts == 1 else scratch(parts * dw.size, dw.dtype)
        wide = taps % 4 == 0 and is_aligned(target)
        layout_of_dy = layout(dy, places, area, TERMS)
        given = (
            dy.reshape(dy.size),
            layout_of_dy,
            x.reshape(x.size),
            gather,
            groups,
            parts,
            terms // DEPTH,
            wide,
            target,
        )
        launch_blocks(product, blocks, THREADS, *given)
        if parts > 1:
            add_parts(target, parts, dw)
        backward_bias(dy, db)

    return run


conv2d_dw_tiles_cuda = _make_backward(_product)
conv2d_dw_tf32_cuda = _make_backward(_product_tf32)
conv2d_dw_bf16_cuda = _make_backward(_product_bf16)
