"""The gradient of conv2d's bias on CUDA: one block per output channel."""

from typing import Any

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch_blocks
from kernels.simt.block_sum import THREADS, sum_of_block

Array = NDArray[Any]


@cuda_kernel
def _backward_bias(dy: Array, channels: int, size: int, db: Array) -> None:
    shared = cuda.shared.array(THREADS, db.dtype)
    end, over = uint64(dy.size), uint64(channels) * uint64(size)
    for o in range(cuda.blockIdx.x, channels, cuda.gridDim.x):
        total, start = db.dtype.type(0), uint64(o) * uint64(size)
        while start < end:  # the plane of every sample
            place, last = start + uint64(cuda.threadIdx.x), start + uint64(size)
            while place + uint64(3 * THREADS) < last:  # four reads at a time are under way
                one, two = dy[place], dy[place + uint64(THREADS)]
                three, four = dy[place + uint64(2 * THREADS)], dy[place + uint64(3 * THREADS)]
                total = total + one + two + three + four
                place += uint64(4 * THREADS)
            while place < last:
                total += dy[place]
                place += uint64(THREADS)
            start += over
        total = sum_of_block(total, shared)
        if cuda.threadIdx.x == 0:
            db[o] = total


def backward_bias(dy: Array, db: Array) -> None:
    """Write the sums of dy over samples and pixels to db."""
    _, channels, out_h, out_w = dy.shape
    launch_blocks(_backward_bias, channels, THREADS, dy.reshape(dy.size), channels, out_h * out_w, db)
