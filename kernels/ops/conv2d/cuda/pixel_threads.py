"""conv2d and its dx on CUDA for few channels: a thread computes some channels of a pixel.

A block goes through the terms of its sums some at a time: which tap each is, and the filters of its channels, are in shared
memory, where all threads read the same. A pixel of the image is read once for all channels of the tile. The gradient of a
strided convolution falls apart into lattices of pixels, as in ``tiles``. Terms outside of the image are left out.
"""

from typing import Any

from numba import cuda, int32, int64, uint32, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device, cuda_kernel, launch_blocks
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cuda.windows import Filters, Gather, Plane, backward_windows, forward_windows
from kernels.simt.tile import ALIGNMENT, Tile, load, outer, part, put, spread, store

Array = NDArray[Any]

THREADS = 128
"""Of a block."""

TERMS = THREADS
"""That are in shared memory at a time."""

TOGETHER = 8
"""Terms that are read before the first of them is multiplied."""


def _make_product(channels: int, signed: Any, unsigned: Any) -> Any:
    """Make a kernel.

    Parameters
    ----------
    channels : that a thread computes
    signed, unsigned : the integers that hold coordinates, and numbers of pixels
    """
    size, outside = TERMS * channels, -(1 << (signed.bitwidth - 2))  # a row that is in no image

    @cuda_device
    def _pixel(gather: Gather, number: int) -> tuple[int, int, int]:
        """Return the sample, row and column of a pixel of the results."""
        area, columns = unsigned(gather.rows * gather.columns), unsigned(gather.columns)
        sample, own = unsigned(number) // area, unsigned(number) % area
        return int64(sample), int64(own // columns), int64(own % columns)

    @cuda_device
    def _window(gather: Gather, group: int, pixel: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return where the window of a pixel begins in x, and its first row and column, which may be outside."""
        sample, u, v = pixel
        row, column = u * gather.row_stride + gather.row_first, v * gather.column_stride + gather.column_first
        plane = (sample * gather.channels + group * gather.own) * gather.height
        return (plane + row) * gather.width + column, signed(row), signed(column)

    @cuda_device
    def _values(
        x: Array, gather: Gather, window: tuple[int, int, int], k: int, rows: Array, columns: Array, delta: Array
    ) -> tuple[Tile, int]:
        """Read what neighbouring taps of a window meet; return that, and a bit for each that is inside of the image."""
        origin, row, column = window
        found, inside = spread(TOGETHER, x.dtype.type(0)), uint32(0)
        for n in range(TOGETHER):
            i, j = unsigned(row + rows[k + uint32(n)]), unsigned(column + columns[k + uint32(n)])
            place = origin + delta[k + uint32(n)]
            if i < unsigned(gather.height) and j < unsigned(gather.width):
                found, inside = put(found, n, x[place]), uint32(inside | uint32(1 << n))
        return found, inside

    @cuda_device
    def _store(
        sums: Tile, y: Array, filters: Filters, plane: Plane, group: int, top: int, pixel: tuple[int, int, int]
    ) -> None:
        """Write the results of a thread for one pixel."""
        sample, u, v = pixel
        area = plane.height * plane.width
        start = ((sample * filters.groups + group) * filters.places + top) * area
        start += (u * plane.row_step + plane.row_first) * plane.width + v * plane.column_step + plane.column_first
        for r in range(channels):
            if top + r < filters.places:
                y[start + r * area] = part(sums, r, 1)[0]

    @cuda_kernel
    def _product(
        x: Array,
        gather: Gather,
        w: Array,
        filters: Filters,
        taps: int,
        has_bias: bool,
        bias: Array,
        plane: Plane,
        y: Array,
    ) -> None:
        factors = cuda.shared.array(size, y.dtype, alignment=ALIGNMENT)
        delta = cuda.shared.array(TERMS, int64)
        rows, columns = cuda.shared.array(TERMS, signed), cuda.shared.array(TERMS, signed)
        t, limit = int64(cuda.threadIdx.x), gather.batch * gather.rows * gather.columns
        across, down = (limit + THREADS - 1) // THREADS, (filters.places + channels - 1) // channels
        for item in range(cuda.blockIdx.x, filters.groups * down * across, cuda.gridDim.x):
            number = unsigned(item)
            over = number // unsigned(across)
            group, top = int64(over // unsigned(down)), int64(over % unsigned(down)) * channels
            own = int64(number % unsigned(across)) * THREADS + t
            pixel = _pixel(gather, min(own, limit - 1))
            window, sums = _window(gather, group, pixel), spread(channels, y.dtype.type(0))
            if has_bias:
                for r in range(channels):
                    sums = put(sums, r, bias[group * filters.places + min(top + r, filters.places - 1)])
            for start in range(0, taps, TERMS):
                count = min(TERMS, taps - start)
                cuda.syncthreads()  # the tables may still be read
                tap = unsigned(min(start + t, taps - 1))
                q, line = int64(tap % unsigned(gather.taps_w)), tap // unsigned(gather.taps_w)
                p, channel = int64(line % unsigned(gather.taps_h)), int64(line // unsigned(gather.taps_h))
                rows[t] = p * gather.row_step if t < count else outside
                columns[t] = q * gather.column_step
                delta[t] = (channel * gather.height + p * gather.row_step) * gather.width + columns[t]
                place = filters.first + group * filters.group + channel * filters.channel
                place += p * filters.row + q * filters.column
                weights = spread(channels, y.dtype.type(0))
                for r in range(channels):
                    weights = put(weights, r, w[place + min(top + r, filters.places - 1) * filters.place])
                store(factors, t * channels, weights)
                cuda.syncthreads()
                k = uint32(0)
                while k < uint32(count):
                    values, inside = _values(x, gather, window, k, rows, columns, delta)
                    for n in range(TOGETHER):
                        weights = load(factors, (k + uint32(n)) * uint32(channels), channels)
                        if inside & uint32(1 << n):
                            sums = outer(sums, weights, part(values, n, 1))
                    k += uint32(TOGETHER)
            if own < limit:
                _store(sums, y, filters, plane, group, top, pixel)

    return _product


SMALL = 1 << 29
"""Below it numbers of pixels and blocks, coordinates and their sums fit into 32 bits."""

CHANNELS = (1, 4, 8)
"""That a thread may compute; as many as there are, or the next more, or the most."""

_PRODUCTS = {
    (channels, signed): _make_product(channels, signed, unsigned)
    for channels in CHANNELS
    for signed, unsigned in ((int32, uint32), (int64, uint64))
}


def _launch(
    x: Array, gather: Gather, w: Array, filters: Filters, taps: int, bias: Array | None, plane: Plane, y: Array
) -> None:
    channels = next((each for each in CHANNELS if each >= filters.places), max(CHANNELS))
    pixels = gather.batch * gather.rows * gather.columns
    blocks = filters.groups * -(-filters.places // channels) * -(-pixels // THREADS)
    extents = blocks, pixels, taps, gather.height, gather.width
    reached = gather.rows * gather.row_stride + gather.taps_h * gather.row_step
    reached += gather.columns * gather.column_stride + gather.taps_w * gather.column_step
    integers = int32 if max(*extents, reached) < SMALL else int64
    flat, added = y.reshape(y.size), y.reshape(y.size) if bias is None else bias
    given = x.reshape(x.size), gather, w.reshape(w.size), filters, taps, bias is not None, added, plane, flat
    launch_blocks(_PRODUCTS[channels, integers], blocks, THREADS, *given)


def conv2d_cuda(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Compute y, each result in one thread."""
    gather, filters, plane = forward_windows(x.shape, w.shape, y.shape, stride, padding, dilation, groups)
    _launch(x, gather, w, filters, gather.own * gather.taps_h * gather.taps_w, b, plane, y)


def conv2d_dx_cuda(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Compute dx lattice by lattice, each result in one thread."""
    for gather, filters, plane, taps in backward_windows(
        dy.shape, w.shape, dx.shape, stride, padding, dilation, groups
    ):
        _launch(dy, gather, w, filters, taps, None, plane, dx)
