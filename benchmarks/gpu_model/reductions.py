"""Sums of an array, step by step, as in M. Harris, "Optimizing Parallel Reduction in CUDA"."""

from numba import cuda, float32, uint32


@cuda.jit
def at_one_address(x, y):
    """Every thread adds four values to the sum."""
    i = 4 * cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(y, 0, x[i] + x[i + 1] + x[i + 2] + x[i + 3])


@cuda.jit
def tree(x, y):
    """Every second thread adds, every fourth, and so on: the lanes of a warp go different ways."""
    sums = cuda.shared.array(0, float32)
    thread = uint32(cuda.threadIdx.x)
    sums[thread] = x[cuda.grid(1)]
    cuda.syncthreads()
    step = uint32(1)
    while step < cuda.blockDim.x:
        if thread % uint32(2 * step) == 0:
            sums[thread] += sums[thread + step]
        cuda.syncthreads()
        step = uint32(2 * step)
    if thread == 0:
        cuda.atomic.add(y, 0, sums[0])


@cuda.jit
def neighbouring_threads(x, y):
    """Neighbouring threads add, values that are further and further apart: bank conflicts."""
    sums = cuda.shared.array(0, float32)
    thread = uint32(cuda.threadIdx.x)
    sums[thread] = x[cuda.grid(1)]
    cuda.syncthreads()
    step = uint32(1)
    while step < cuda.blockDim.x:
        place = uint32(2 * step * thread)
        if place < cuda.blockDim.x:
            sums[place] += sums[place + step]
        cuda.syncthreads()
        step = uint32(2 * step)
    if thread == 0:
        cuda.atomic.add(y, 0, sums[0])


@cuda.jit
def neighbouring_values(x, y):
    """Neighbouring threads add neighbouring values."""
    sums = cuda.shared.array(0, float32)
    thread = uint32(cuda.threadIdx.x)
    sums[thread] = x[cuda.grid(1)]
    cuda.syncthreads()
    step = uint32(cuda.blockDim.x // 2)
    while step > 0:
        if thread < step:
            sums[thread] += sums[thread + step]
        cuda.syncthreads()
        step = uint32(step // 2)
    if thread == 0:
        cuda.atomic.add(y, 0, sums[0])


@cuda.jit
def two_at_first(x, y):
    """Every thread adds two values as it loads them."""
    sums = cuda.shared.array(0, float32)
    thread = uint32(cuda.threadIdx.x)
    i = 2 * cuda.blockIdx.x * cuda.blockDim.x + thread
    sums[thread] = x[i] + x[i + cuda.blockDim.x]
    cuda.syncthreads()
    step = uint32(cuda.blockDim.x // 2)
    while step > 0:
        if thread < step:
            sums[thread] += sums[thread + step]
        cuda.syncthreads()
        step = uint32(step // 2)
    if thread == 0:
        cuda.atomic.add(y, 0, sums[0])


@cuda.jit
def last_warp(x, y):
    """The last warp goes on without barriers."""
    sums = cuda.shared.array(0, float32)
    thread = uint32(cuda.threadIdx.x)
    i = 2 * cuda.blockIdx.x * cuda.blockDim.x + thread
    sums[thread] = x[i] + x[i + cuda.blockDim.x]
    cuda.syncthreads()
    step = uint32(cuda.blockDim.x // 2)
    while step > 32:
        if thread < step:
            sums[thread] += sums[thread + step]
        cuda.syncthreads()
        step = uint32(step // 2)
    if thread < 32:
        while step > 0:
            value = sums[thread] + sums[thread + step]
            cuda.syncwarp()
            sums[thread] = value
            cuda.syncwarp()
            step = uint32(step // 2)
    if thread == 0:
        cuda.atomic.add(y, 0, sums[0])
