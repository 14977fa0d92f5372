"""A kernel of your own for CUDA: a softmax with row sums in shared memory. It can be checked without a GPU.

$ workbench check own_kernel_cuda.py --device sim --examples 20
"""

import math

from numba import cuda, float64

from workbench import implements

THREADS = 64


@cuda.jit(device=True)
def block_maximum(part, t):
    """Reduce ``part`` to its largest element, by halves."""
    step = THREADS // 2
    while step > 0:
        cuda.syncthreads()
        if t < step:
            part[t] = max(part[t], part[t + step])
        step //= 2
    cuda.syncthreads()
    return part[0]


@cuda.jit(device=True)
def block_sum(part, t):
    """Reduce ``part`` to its sum, by halves."""
    step = THREADS // 2
    while step > 0:
        cuda.syncthreads()
        if t < step:
            part[t] += part[t + step]
        step //= 2
    cuda.syncthreads()
    return part[0]


@implements("softmax", grid=lambda x: x.shape[0], block=THREADS)
@cuda.jit
def softmax_blocks(x, y):
    part = cuda.shared.array(THREADS, float64)
    n, t = cuda.blockIdx.x, cuda.threadIdx.x

    largest = x[n, 0]
    for k in range(t, x.shape[1], THREADS):
        largest = max(largest, x[n, k])
    part[t] = largest
    largest = block_maximum(part, t)
    cuda.syncthreads()  # all threads have read part[0] before it is overwritten

    total = 0.0
    for k in range(t, x.shape[1], THREADS):
        total += math.exp(x[n, k] - largest)
    part[t] = total
    total = block_sum(part, t)

    for k in range(t, x.shape[1], THREADS):
        y[n, k] = math.exp(x[n, k] - largest) / total
