"""Matrix products, step by step, as in S. Boehm, "How to Optimize a CUDA Matmul Kernel for cuBLAS-like Performance"."""

from numba import cuda, float32, uint32, uint64

SIDE = 32
"""Of the blocks and tiles of the first three kernels."""

ROWS, COLUMNS, DEPTH, EACH = 64, 64, 8, 8
"""The tile of a block in ``row_of_results``, and the results of a thread."""

TILE = 128
"""The side of a block's tile where a thread has ``EACH`` x ``EACH`` results."""


@cuda.jit
def naive(a, b, c):
    """Neighbouring threads compute results in neighbouring rows."""
    i, j = cuda.grid(2)
    i, j = uint64(i), uint64(j)
    if i < c.shape[0] and j < c.shape[1]:
        total = float32(0)
        k = uint64(0)
        while k < uint64(a.shape[1]):
            total += a[i, k] * b[k, j]
            k += uint64(1)
        c[i, j] = total


@cuda.jit
def coalesced(a, b, c):
    """Neighbouring threads compute results in neighbouring columns."""
    i = uint64(cuda.blockIdx.x * SIDE + cuda.threadIdx.x // SIDE)
    j = uint64(cuda.blockIdx.y * SIDE + cuda.threadIdx.x % SIDE)
    if i < c.shape[0] and j < c.shape[1]:
        total = float32(0)
        k = uint64(0)
        while k < uint64(a.shape[1]):
            total += a[i, k] * b[k, j]
            k += uint64(1)
        c[i, j] = total


@cuda.jit
def tiled(a, b, c):
    """A block goes through both matrices in tiles of shared memory."""
    a_tile, b_tile = cuda.shared.array((SIDE, SIDE), float32), cuda.shared.array((SIDE, SIDE), float32)
    row, column = uint32(cuda.threadIdx.x // SIDE), uint32(cuda.threadIdx.x % SIDE)
    i, j = uint32(cuda.blockIdx.x * SIDE + row), uint32(cuda.blockIdx.y * SIDE + column)
    total = float32(0)
    first = 0
    while first < a.shape[1]:
        a_tile[row, column] = a[i, first + column]
        b_tile[row, column] = b[first + row, j]
        cuda.syncthreads()
        for k in range(SIDE):
            total += a_tile[row, k] * b_tile[k, column]
        cuda.syncthreads()
        first += SIDE
    c[i, j] = total


@cuda.jit
def row_of_results(a, b, c):
    """A thread computes 8 results below each other: a value of b is read once for all of them."""
    a_tile, b_tile = cuda.shared.array((ROWS, DEPTH), float32), cuda.shared.array((DEPTH, COLUMNS), float32)
    totals = cuda.local.array(EACH, float32)
    thread = uint32(cuda.threadIdx.x)
    row, column = thread // COLUMNS, thread % COLUMNS
    a_row, a_column = thread // DEPTH, thread % DEPTH
    first_row, first_column = uint32(cuda.blockIdx.y * ROWS), uint32(cuda.blockIdx.x * COLUMNS)
    for n in range(EACH):
        totals[n] = 0
    first = 0
    while first < a.shape[1]:
        a_tile[a_row, a_column] = a[first_row + a_row, first + a_column]
        b_tile[row, column] = b[first + row, first_column + column]
        cuda.syncthreads()
        k = 0
        while k < DEPTH:
            value = b_tile[k, column]
            for n in range(EACH):
                totals[n] += a_tile[row * EACH + n, k] * value
            k += 1
        cuda.syncthreads()
        first += DEPTH
    for n in range(EACH):
        c[first_row + row * EACH + n, first_column + column] = totals[n]


@cuda.jit
def square_of_results(a, b, c):
    """A thread computes 8 x 8 results from 8 + 8 values in registers."""
    a_tile, b_tile = cuda.shared.array((TILE, DEPTH), float32), cuda.shared.array((DEPTH, TILE), float32, alignment=16)
    totals = cuda.local.array((EACH, EACH), float32)
    left, right = cuda.local.array(EACH, float32), cuda.local.array(EACH, float32)
    thread = uint32(cuda.threadIdx.x)
    row, column = thread // (TILE // EACH) * EACH, thread % (TILE // EACH) * EACH
    first_row, first_column = uint32(cuda.blockIdx.y * TILE), uint32(cuda.blockIdx.x * TILE)
    for m in range(EACH):
        for n in range(EACH):
            totals[m, n] = 0
    first = 0
    while first < a.shape[1]:
        for part in range(4):
            place = thread + 256 * part
            a_tile[place // DEPTH, place % DEPTH] = a[first_row + place // DEPTH, first + place % DEPTH]
            b_tile[place // TILE, place % TILE] = b[first + place // TILE, first_column + place % TILE]
        cuda.syncthreads()
        k = 0
        while k < DEPTH:
            for m in range(EACH):
                left[m] = a_tile[row + m, k]
            for n in range(EACH):
                right[n] = b_tile[k, column + n]
            for m in range(EACH):
                for n in range(EACH):
                    totals[m, n] += left[m] * right[n]
            k += 1
        cuda.syncthreads()
        first += DEPTH
    for m in range(EACH):
        for n in range(EACH):
            c[first_row + row + m, first_column + column + n] = totals[m, n]


@cuda.jit
def sixteen_bytes(a, b, c):
    """The tile of a is stored turned, so that the values of a thread in both tiles are neighbours."""
    a_tile = cuda.shared.array((DEPTH, TILE), float32, alignment=16)
    b_tile = cuda.shared.array((DEPTH, TILE), float32, alignment=16)
    totals = cuda.local.array((EACH, EACH), float32)
    left, right = cuda.local.array(EACH, float32), cuda.local.array(EACH, float32)
    thread = uint32(cuda.threadIdx.x)
    row, column = thread // (TILE // EACH) * EACH, thread % (TILE // EACH) * EACH
    first_row, first_column = uint32(cuda.blockIdx.y * TILE), uint32(cuda.blockIdx.x * TILE)
    a_row, a_column = thread // 2, thread % 2 * 4
    b_row, b_column = thread // 32, thread % 32 * 4
    for m in range(EACH):
        for n in range(EACH):
            totals[m, n] = 0
    first = 0
    while first < a.shape[1]:
        for part in range(4):
            a_tile[a_column + part, a_row] = a[first_row + a_row, first + a_column + part]
            b_tile[b_row, b_column + part] = b[first + b_row, first_column + b_column + part]
        cuda.syncthreads()
        k = 0
        while k < DEPTH:
            for m in range(EACH):
                left[m] = a_tile[k, row + m]
            for n in range(EACH):
                right[n] = b_tile[k, column + n]
            for m in range(EACH):
                for n in range(EACH):
                    totals[m, n] += left[m] * right[n]
            k += 1
        cuda.syncthreads()
        first += DEPTH
    for m in range(EACH):
        for n in range(EACH):
            c[first_row + row + m, first_column + column + n] = totals[m, n]
