"""CUDA kernels that the simulator's counters find slow, and twins in which they find nothing.

A comment ``# slow: KIND`` marks the line that ``workbench inspect --device sim`` must name, and as what.
"""

from numba import cuda, float32

from workbench import implements

TILE, PADDED = 32, 33


@implements("relu", grid=lambda y: -(-y.size // 128), block=128)
@cuda.jit
def good_relu(x, y):
    i = cuda.grid(1)
    x, y = x.reshape(x.size), y.reshape(y.size)
    if i < y.size:
        y[i] = max(x[i], 0)


@implements("relu", grid=lambda y: -(-y.size // 128), block=128)
@cuda.jit
def slow_by_stride(x, y):
    i = cuda.grid(1)
    x, y = x.reshape(x.size), y.reshape(y.size)
    rows = y.size // 32
    place = i % 32 * rows + i // 32
    if i < y.size:
        y[place] = max(x[place], 0)  # slow: scattered


@implements("relu", grid=1, block=32)
@cuda.jit
def slow_in_a_warp(x, y):
    x, y = x.reshape(x.size), y.reshape(y.size)
    for i in range(cuda.threadIdx.x, y.size, 32):
        y[i] = max(x[i], 0)  # slow: few-threads


@implements("relu", grid=lambda y: y.size, block=128)
@cuda.jit
def slow_by_idle_threads(x, y):  # slow: idle-threads
    x, y = x.reshape(x.size), y.reshape(y.size)
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x] = max(x[cuda.blockIdx.x], 0)


@implements("relu", grid=lambda y: -(-y.size // 1024), block=(32, 32))
@cuda.jit
def slow_by_bank_conflicts(x, y):
    tile = cuda.shared.array((TILE, TILE), float32)
    x, y = x.reshape(x.size), y.reshape(y.size)
    column, row = cuda.threadIdx.x, cuda.threadIdx.y
    i = 1024 * cuda.blockIdx.x + 32 * row + column
    if i < y.size:
        tile[column, row] = x[i]  # slow: bank-conflict
        y[i] = max(tile[column, row], 0)  # slow: bank-conflict


@implements("relu", grid=lambda y: -(-y.size // 1024), block=(32, 32))
@cuda.jit
def good_by_padding(x, y):
    tile = cuda.shared.array((TILE, PADDED), float32)
    x, y = x.reshape(x.size), y.reshape(y.size)
    column, row = cuda.threadIdx.x, cuda.threadIdx.y
    i = 1024 * cuda.blockIdx.x + 32 * row + column
    if i < y.size:
        tile[column, row] = x[i]
        y[i] = max(tile[column, row], 0)


@implements("relu", grid=lambda y: -(-y.size // 128), block=128)
@cuda.jit
def slow_by_divergence(x, y):
    i = cuda.grid(1)
    x, y = x.reshape(x.size), y.reshape(y.size)
    if i < y.size:
        value = x[i]
        if i % 32 < 2:  # slow: divergence
            for _ in range(100):
                value = value * float32(1)
        y[i] = max(value, 0)


@implements("relu", grid=lambda y: -(-y.size // 128), block=128)
@cuda.jit
def good_by_warp(x, y):
    i = cuda.grid(1)
    x, y = x.reshape(x.size), y.reshape(y.size)
    if i < y.size:
        value = x[i]
        if i // 32 % 16 < 2:
            for _ in range(100):
                value = value * float32(1)
        y[i] = max(value, 0)


@implements("relu", grid=lambda y: -(-y.size // 128), block=128)
@cuda.jit
def slow_by_contention(x, y):
    count = cuda.shared.array(1, float32)
    i = cuda.grid(1)
    x, y = x.reshape(x.size), y.reshape(y.size)
    if cuda.threadIdx.x == 0:
        count[0] = 0
    cuda.syncthreads()
    if i < y.size:
        y[i] = max(x[i], 0)
        cuda.atomic.add(count, 0, 1)  # slow: contention


@implements("relu", grid=lambda y: -(-y.size // 128), block=128)
@cuda.jit
def slow_by_rounds(x, y):
    i = cuda.grid(1)
    x, y = x.reshape(x.size), y.reshape(y.size)
    if i < y.size:
        total = x[i]
        for _ in range(i % 32 * 8):  # slow: divergence
            total = total * float32(0.5) + total
        y[i] = max(total, 0)


@implements("relu", grid=lambda y: -(-y.size // 128), block=128)
@cuda.jit
def good_by_rounds(x, y):
    i = cuda.grid(1)
    x, y = x.reshape(x.size), y.reshape(y.size)
    if i < y.size:
        total = x[i]
        for _ in range(i // 32 % 32 * 8):
            total = total * float32(0.5) + total
        y[i] = max(total, 0)
