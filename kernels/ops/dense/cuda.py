"""dense on CUDA: products of matrices by blocks of threads. Sums are split between blocks, and added in a fixed order."""

from typing import Any

from numba import cuda, uint32
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch_blocks
from kernels.memory.scratch import scratch
from kernels.simt.block_product import (
    DEPTH,
    PANEL,
    PANELS,
    PLACES,
    RESULTS,
    SIDE,
    TERMS,
    THREADS,
    Layout,
    Sums,
    add_to_columns,
    fetch,
    has_room,
    place,
    starts,
    store_results,
)
from kernels.simt.block_sum import THREADS as SUMMING
from kernels.simt.block_sum import sum_of_columns
from kernels.simt.operands import add_parts, is_aligned, layout, split
from kernels.simt.tensor_product import BF16, FULL, TF32
from kernels.simt.tile import ALIGNMENT, spread

Array = NDArray[Any]


def _make_product(prepared: Any, multiplied: Any, finished: Any) -> Any:
    """Make a product of matrices from what ``tensor_product`` lists for a precision."""

    @cuda_kernel
    def _product(
        a: Array,
        a_layout: Layout,
        b: Array,
        b_layout: Layout,
        sums: Sums,
        bias: Array,
        wide: bool,
        y: Array,
    ) -> None:
        panels = cuda.shared.array(PANELS, y.dtype, alignment=ALIGNMENT)
        rows, columns = a_layout.places, b_layout.places
        across = (columns + SIDE - 1) // SIDE
        tiles = (rows + SIDE - 1) // SIDE * across
        for item in range(cuda.blockIdx.x, sums.parts * tiles, cuda.gridDim.x):
            part, number = item // tiles, item % tiles
            top, start = number // across * SIDE, number % across * SIDE
            term, base = part * sums.own, uint32(0)
            end = min(term + sums.own, sums.terms)
            a_starts, b_starts = starts(a_layout, top), starts(b_layout, start)
            tile = spread(RESULTS, y.dtype.type(0))
            place(panels, base, a_layout.way, prepared(fetch(a, a_layout, a_starts, top, term, end)))
            place(
                panels, base + uint32(2 * PANEL), b_layout.way, prepared(fetch(b, b_layout, b_starts, start, term, end))
            )
            cuda.syncthreads()
            while term < end:
                term += DEPTH
                if has_room(panels):
                    a_held = fetch(a, a_layout, a_starts, top, term, end)
                    b_held = fetch(b, b_layout, b_starts, start, term, end)
                    tile = multiplied(tile, panels, base, base + uint32(2 * PANEL))
                    base ^= uint32(PANEL)
                    place(panels, base, a_layout.way, prepared(a_held))
                    place(panels, base + uint32(2 * PANEL), b_layout.way, prepared(b_held))
                else:
                    tile = multiplied(tile, panels, base, base + uint32(2 * PANEL))
                    base ^= uint32(PANEL)
                    place(panels, base, a_layout.way, prepared(fetch(a, a_layout, a_starts, top, term, end)))
                    place(
                        panels,
                        base + uint32(2 * PANEL),
                        b_layout.way,
                        prepared(fetch(b, b_layout, b_starts, start, term, end)),
                    )
                cuda.syncthreads()
            tile = finished(tile, panels)
            if part == 0 and sums.has_bias != 0:
                tile = add_to_columns(tile, bias, start, columns)
            store_results(tile, y, part * rows * columns, top, start, rows, columns, wide)

    return _product


_product, _product_tf32, _product_bf16 = _make_product(*FULL), _make_product(*TF32), _make_product(*BF16)


@cuda_kernel
def _backward_bias(dy: Array, db: Array) -> None:
    shared = cuda.shared.array(SUMMING, db.dtype)
    batch, outputs = dy.shape
    for first in range(cuda.blockIdx.x * 32, outputs, cuda.gridDim.x * 32):
        m = first + cuda.threadIdx.x % 32
        total = db.dtype.type(0)
        if m < outputs:
            for n in range(cuda.threadIdx.x // 32, batch, SUMMING // 32):
                total += dy[n, m]
        total = sum_of_columns(total, shared)
        if cuda.threadIdx.x < 32 and m < outputs:
            db[m] = total


def _multiplied(
    product: Any, a: Array, rows: Layout, b: Array, columns: Layout, terms: int, bias: Array | None, y: Array
) -> None:
    parts, own, blocks = split(rows.places, columns.places, terms)
    target = y.reshape(y.size) if parts == 1 else scratch(parts * y.size, y.dtype)
    left, right = a.reshape(a.size), b.reshape(b.size)
    wide = columns.places % 4 == 0 and is_aligned(target)
    sums, added = Sums(terms, parts, own, bias is not None), target if bias is None else bias
    launch_blocks(product, blocks, THREADS, left, rows, right, columns, sums, added, wide, target)
    if parts > 1:
        add_parts(target, parts, y)


def _make_forward(product: Any) -> Any:
    def run(x: Array, w: Array, b: Array, y: Array) -> None:
        """Compute y as the product of x and the transposed w."""
        (batch, features), outputs = x.shape, w.shape[0]
        rows, columns = layout(x, batch, features, TERMS), layout(w, outputs, features, TERMS)
        _multiplied(product, x, rows, w, columns, features, b, y)

    return run


def _make_backward(product: Any) -> Any:
    def run(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
        """Compute dx and dw as products of matrices, db as sums by blocks."""
        (batch, features), outputs = x.shape, w.shape[0]
        rows, columns = layout(dy, batch, outputs, TERMS), layout(w, features, outputs, PLACES)
        _multiplied(product, dy, rows, w, columns, outputs, None, dx)
        rows, columns = layout(dy, outputs, batch, PLACES), layout(x, features, batch, PLACES)
        _multiplied(product, dy, rows, x, columns, batch, None, dw)
        launch_blocks(_backward_bias, -(-outputs // 32), SUMMING, dy, db)

    return run


dense_cuda = _make_forward(_product)
dense_tf32_cuda = _make_forward(_product_tf32)
dense_bf16_cuda = _make_forward(_product_bf16)

dense_backward_cuda = _make_backward(_product)
dense_backward_tf32_cuda = _make_backward(_product_tf32)
dense_backward_bf16_cuda = _make_backward(_product_bf16)
