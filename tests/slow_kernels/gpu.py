"""CUDA kernels that are slow for one reason each, each followed by its good twin.

``# slow: KIND`` marks the line on which the inspection must find that kind; nothing else may be found in this file.
A kernel has the marks of the device functions that it calls.
"""

from math import prod

from numba import cuda, float32, int32

from kernels import Op
from kernels.declare.op import Input
from kernels.declare.rounding import Sum
from workbench import implements

THREADS = 128
TILE = 8
"""A thread's tile of outputs is TILE x TILE."""


def outputs(y):
    return -(-y.size // THREADS)


def tiles(y):
    return -(-(y.shape[0] // TILE * (y.shape[1] // TILE)) // THREADS)


@implements("dense", grid=outputs, block=THREADS)
@cuda.jit
def double_sum(x, w, b, y):
    """0.0 is a double, and so is the sum."""
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        total = 0.0
        for k in range(x.shape[1]):
            total += x[n, k] * w[m, k]  # slow: float64
        y[n, m] = float32(total) + b[m]


@implements("dense", grid=outputs, block=THREADS)
@cuda.jit
def single_sum(x, w, b, y):
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        total = float32(0)
        for k in range(x.shape[1]):
            total += x[n, k] * w[m, k]
        y[n, m] = total + b[m]


def row_sum_reference(table, labels, y):
    """Compute y[k] = sum of table[labels[n], k] over n."""
    for k in range(y.size):
        for n in range(labels.size):
            y[k] = (y[k] if n else 0) + table[labels[n], k]


ROW_SUM = Op(
    name="row_sum",
    summary="sum of the rows of a table that labels name",
    inputs=(Input(name="table", axes=("R", "K")), Input(name="labels", axes=("N",), kind="index", below=("table", 0))),
    outputs=("y",),
    output_shapes=lambda shapes, _options: (shapes["table"][1:],),
    flops=lambda shapes, _options: prod(shapes["labels"]) * shapes["table"][1],
    rounding=Sum(lambda shapes, _options: (shapes["labels"][0],), magnitudes=("table",)),
    reference=row_sum_reference,
)


@implements(ROW_SUM, grid=outputs, block=THREADS)
@cuda.jit
def long_index(table, labels, y):
    """The label and the length of a row are multiplied as int64."""
    k = cuda.grid(1)
    if k < y.size:
        total = float32(0)
        for n in range(labels.size):
            total += table[labels[n], k]  # slow: int64
        y[k] = total


@cuda.jit
def add_rows(flat, labels, y):
    """Numba makes int32 * int32 an int64; an int32 of that is a product of 32 bits again."""
    k, width = int32(cuda.grid(1)), int32(y.size)
    if k < y.size:
        total = float32(0)
        for n in range(labels.size):
            total += flat[int32(int32(labels[n]) * width + k)]
        y[k] = total


@implements("row_sum")
def short_index(table, labels, y):
    add_rows[outputs(y), THREADS](table.reshape(table.size), labels, y)


def tiled_dense(x, w, b, y):
    """Compute TILE x TILE outputs in a thread, with the sums in registers."""
    across = y.shape[1] // TILE
    tile = cuda.grid(1)
    if tile < y.shape[0] // TILE * across:
        top, left = tile // across * TILE, tile % across * TILE
        sums = cuda.local.array((TILE, TILE), float32)
        for i in range(TILE):
            for j in range(TILE):
                sums[i, j] = b[left + j]
        for k in range(x.shape[1]):
            for i in range(TILE):
                for j in range(TILE):
                    sums[i, j] += x[top + i, k] * w[left + j, k]  # slow: spill
        for i in range(TILE):
            for j in range(TILE):
                y[top + i, left + j] = sums[i, j]


spilling_tile = implements("dense", grid=tiles, block=THREADS)(cuda.jit(max_registers=48)(tiled_dense))
fitting_tile = implements("dense", grid=tiles, block=THREADS)(cuda.jit(tiled_dense))


@implements("dense", grid=outputs, block=THREADS)
@cuda.jit
def indexed_locally(x, w, b, y):
    """Registers have no index: an array with one is in local memory."""
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        sums = cuda.local.array(3, float32)
        sums[0], sums[1], sums[2] = float32(0), float32(0), float32(0)
        for k in range(x.shape[1]):
            sums[k % 3] += x[n, k] * w[m, k]  # slow: local-memory
        y[n, m] = sums[0] + sums[1] + sums[2] + b[m]


@implements("dense", grid=outputs, block=THREADS)
@cuda.jit
def indexed_by_constants(x, w, b, y):
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        sums = cuda.local.array(3, float32)
        sums[0], sums[1], sums[2] = float32(0), float32(0), float32(0)
        for k in range(0, x.shape[1], 3):
            for i in range(3):
                if k + i < x.shape[1]:
                    sums[i] += x[n, k + i] * w[m, k + i]
        y[n, m] = sums[0] + sums[1] + sums[2] + b[m]


@implements("dense", grid=outputs, block=THREADS)
@cuda.jit
def divided_each(x, w, b, y):
    """Every product is divided by the number of them, to no purpose but this."""
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        count = float32(x.shape[1])
        total = float32(0)
        for k in range(x.shape[1]):
            total += x[n, k] * w[m, k] / count  # slow: division
        y[n, m] = total * count + b[m]


@implements("dense", grid=outputs, block=THREADS)
@cuda.jit
def divided_once(x, w, b, y):
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        count = float32(x.shape[1])
        total = float32(0)
        for k in range(x.shape[1]):
            total += x[n, k] * w[m, k]
        y[n, m] = total / count * count + b[m]


@cuda.jit
def divide_places(x, w, b, y, length):
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        total = float32(0)
        for place in range(n * length, (n + 1) * length):
            total += x[place] * w[m * length + place % length]  # slow: division
        y[n, m] = total + b[m]


@cuda.jit
def count_places(x, w, b, y, length):
    index = cuda.grid(1)
    if index < y.size:
        n, m = index // y.shape[1], index % y.shape[1]
        total = float32(0)
        for k in range(length):
            total += x[n * length + k] * w[m * length + k]
        y[n, m] = total + b[m]


@implements("dense")
def found_by_division(x, w, b, y):
    """The place of an element is taken apart again in the loop, by a division of int64."""
    divide_places[outputs(y), THREADS](x.reshape(x.size), w.reshape(w.size), b, y, x.shape[1])


@implements("dense")
def found_by_counting(x, w, b, y):
    count_places[outputs(y), THREADS](x.reshape(x.size), w.reshape(w.size), b, y, x.shape[1])


@cuda.jit
def down_columns(x, y):
    i, j = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        y[i, j] = max(x[i, j], float32(0))  # slow: strided


@cuda.jit
def along_rows(x, y):
    j, i = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        y[i, j] = max(x[i, j], float32(0))


def _as_table(array):
    return array.reshape(array.shape[0], array.size // array.shape[0])


@implements("relu")
def strided_threads(x, y):
    """threadIdx.x runs along the first axis, so that the threads of a warp are a row apart."""
    table, result = _as_table(x), _as_table(y)
    down_columns[(-(-table.shape[0] // 32), -(-table.shape[1] // 4)), (32, 4)](table, result)


@implements("relu")
def neighbouring_threads(x, y):
    """threadIdx.x runs along the last axis."""
    table, result = _as_table(x), _as_table(y)
    along_rows[(-(-table.shape[1] // 32), -(-table.shape[0] // 4)), (32, 4)](table, result)


SQUARE = (16, 16)


@cuda.jit(device=True)
def positive(table, row, column):
    return max(table[row, column], float32(0))  # slow: strided


@cuda.jit
def square_down_columns(x, y):
    """The index goes through variables, the load through a device function; a warp has two rows of the block."""
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    i = cuda.blockIdx.x * cuda.blockDim.x + across
    j = cuda.blockIdx.y * cuda.blockDim.y + down
    if i < x.shape[0] and j < x.shape[1]:
        value = positive(x, i, j)
        y[i, j] = value  # slow: strided


@cuda.jit
def square_along_rows(x, y):
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    i = cuda.blockIdx.y * cuda.blockDim.y + down
    j = cuda.blockIdx.x * cuda.blockDim.x + across
    if i < x.shape[0] and j < x.shape[1]:
        value = positive(x, i, j)
        y[i, j] = value


@implements("relu")
def strided_square(x, y):
    table, result = _as_table(x), _as_table(y)
    square_down_columns[(-(-table.shape[0] // 16), -(-table.shape[1] // 16)), SQUARE](table, result)


@implements("relu")
def neighbouring_square(x, y):
    table, result = _as_table(x), _as_table(y)
    square_along_rows[(-(-table.shape[1] // 16), -(-table.shape[0] // 16)), SQUARE](table, result)


@cuda.jit
def flat_down_columns(x, y, height, width):
    """A flat array and its row length, as in CUDA C; the threads of a block are numbered by hand."""
    place = cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    i = cuda.blockIdx.y * 8 + place % 8
    j = cuda.blockIdx.x * 32 + place // 8
    if i < height and j < width:
        y[i * width + j] = max(x[i * width + j], float32(0))  # slow: strided


@cuda.jit
def flat_along_rows(x, y, height, width):
    place = cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    i = cuda.blockIdx.y * 8 + place // 32
    j = cuda.blockIdx.x * 32 + place % 32
    if i < height and j < width:
        y[i * width + j] = max(x[i * width + j], float32(0))


@implements("relu")
def strided_flat(x, y):
    height, width = _as_table(x).shape
    flat_down_columns[(-(-width // 32), -(-height // 8)), SQUARE](x.reshape(x.size), y.reshape(y.size), height, width)


@implements("relu")
def neighbouring_flat(x, y):
    height, width = _as_table(x).shape
    flat_along_rows[(-(-width // 32), -(-height // 8)), SQUARE](x.reshape(x.size), y.reshape(y.size), height, width)


@cuda.jit
def sum_of_row_slices(table, labels, y):
    """A thread has a slice of a row, and its neighbour one of the next row."""
    n, part = cuda.grid(2)
    if n < labels.size and part < 4:
        row = table[n]
        for k in range(part, y.size, 4):
            cuda.atomic.add(y, k, row[k])  # slow: strided


@cuda.jit
def sum_of_rows(table, labels, y):
    part, n = cuda.grid(2)
    if n < labels.size:
        row = table[n]
        for k in range(part, y.size, 32):
            cuda.atomic.add(y, k, row[k])


@implements("row_sum")
def strided_rows(table, labels, y):
    sum_of_row_slices[(-(-labels.size // 16), 1), (16, 4)](table, labels, y)


@implements("row_sum")
def neighbouring_rows(table, labels, y):
    sum_of_rows[(1, -(-labels.size // 4)), (32, 4)](table, labels, y)


@cuda.jit
def tile_with_conflicts(x, y):
    tile = cuda.shared.array((32, 32), float32)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    i, j = cuda.blockIdx.y * 32 + down, cuda.blockIdx.x * 32 + across
    if i < x.shape[0] and j < x.shape[1]:
        tile[across, down] = x[i, j]  # slow: bank-conflict
    cuda.syncthreads()
    if i < x.shape[0] and j < x.shape[1]:
        y[i, j] = max(tile[across, down], float32(0))  # slow: bank-conflict


@cuda.jit
def padded_tile(x, y):
    tile = cuda.shared.array((32, 33), float32)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    i, j = cuda.blockIdx.y * 32 + down, cuda.blockIdx.x * 32 + across
    if i < x.shape[0] and j < x.shape[1]:
        tile[across, down] = x[i, j]
    cuda.syncthreads()
    if i < x.shape[0] and j < x.shape[1]:
        y[i, j] = max(tile[across, down], float32(0))


@implements("relu")
def conflicting_threads(x, y):
    table, result = _as_table(x), _as_table(y)
    tile_with_conflicts[(-(-table.shape[1] // 32), -(-table.shape[0] // 32)), (32, 32)](table, result)


@implements("relu")
def padded_threads(x, y):
    table, result = _as_table(x), _as_table(y)
    padded_tile[(-(-table.shape[1] // 32), -(-table.shape[0] // 32)), (32, 32)](table, result)


def squares(y):
    return -(-y.shape[1] // 16), -(-y.shape[0] // 16)


@implements("dense", grid=squares, block=SQUARE)
@cuda.jit
def conflicting_product(x, w, b, y):
    """A tile of w is read by columns: 16 threads in two banks."""
    xs, ws = cuda.shared.array((16, 16), float32), cuda.shared.array((16, 16), float32)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    m, n = cuda.grid(2)
    row = cuda.blockIdx.x * 16 + down
    total = float32(0)
    for first in range(0, x.shape[1], 16):
        k = first + across
        xs[down, across] = x[n, k] if n < x.shape[0] and k < x.shape[1] else float32(0)
        ws[down, across] = w[row, k] if row < w.shape[0] and k < w.shape[1] else float32(0)
        cuda.syncthreads()
        for i in range(16):
            total += xs[down, i] * ws[across, i]  # slow: bank-conflict
        cuda.syncthreads()
    if n < y.shape[0] and m < y.shape[1]:
        y[n, m] = total + b[m]


@implements("dense", grid=squares, block=SQUARE)
@cuda.jit
def padded_product(x, w, b, y):
    xs, ws = cuda.shared.array((16, 16), float32), cuda.shared.array((16, 17), float32)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    m, n = cuda.grid(2)
    row = cuda.blockIdx.x * 16 + down
    total = float32(0)
    for first in range(0, x.shape[1], 16):
        k = first + across
        xs[down, across] = x[n, k] if n < x.shape[0] and k < x.shape[1] else float32(0)
        ws[down, across] = w[row, k] if row < w.shape[0] and k < w.shape[1] else float32(0)
        cuda.syncthreads()
        for i in range(16):
            total += xs[down, i] * ws[across, i]
        cuda.syncthreads()
    if n < y.shape[0] and m < y.shape[1]:
        y[n, m] = total + b[m]
