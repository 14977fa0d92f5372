"""The sum of one value from every thread of a block, in an order that does not depend on scheduling."""

from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device

THREADS = 128
"""Of a block that sums: a power of two, at least 32."""


@cuda_device
def sum_of_block(value: Any, shared: NDArray[Any]) -> Any:
    """Return, in every thread, the sum over the block of ``value``, added in pairs.

    All ``THREADS`` threads of the block call it.

    Parameters
    ----------
    value : of this thread
    shared : shared memory, an element for every thread
    """
    t = cuda.threadIdx.x
    cuda.syncthreads()  # another sum may still be read
    shared[t] = value
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if t < half:
            shared[t] += shared[t + half]
        cuda.syncthreads()
        half //= 2
    return shared[0]


@cuda_device
def sum_of_columns(value: Any, shared: NDArray[Any]) -> Any:
    """Return, in every thread t of the first warp, the sum of ``value`` over threads t, t + 32, ..., added in pairs.

    All ``THREADS`` threads of the block call it; ``shared`` is as for ``sum_of_block``.
    """
    t = cuda.threadIdx.x
    cuda.syncthreads()  # another sum may still be read
    shared[t] = value
    cuda.syncthreads()
    half = THREADS // 2
    while half >= 32:
        if t < half:
            shared[t] += shared[t + half]
        cuda.syncthreads()
        half //= 2
    return shared[t % 32]
