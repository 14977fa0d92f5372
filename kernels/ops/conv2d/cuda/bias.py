"""The gradient of conv2d's bias on CUDA: one block per output channel, or per part of its sum."""

from typing import Any

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device, cuda_kernel, launch_blocks
from kernels.memory.scratch import scratch
from kernels.simt.block_sum import THREADS, sum_of_block
from kernels.simt.operands import BLOCKS, add_parts

Array = NDArray[Any]

LEAST_TERMS = 32 * THREADS
"""Of a part of a sum; with fewer, adding the parts costs more than they save."""


@cuda_device
def _next(place: int, pixel: int, size: int, over: int) -> tuple[int, int]:
    """Return the place in dy, and the pixel in its plane of ``size``, that are THREADS pixels further on in the channel.

    From a plane of the channel to the next one are ``over`` elements.
    """
    place, pixel = place + uint64(THREADS) // size * over + uint64(THREADS) % size, pixel + uint64(THREADS) % size
    if pixel >= size:
        return place + over - size, pixel - size
    return place, pixel


@cuda_kernel
def _backward_bias(dy: Array, channels: int, size: int, own: int, db: Array) -> None:
    shared = cuda.shared.array(THREADS, db.dtype)
    plane, over = uint64(size), uint64(channels) * uint64(size)
    for item in range(cuda.blockIdx.x, db.size, cuda.gridDim.x):
        part, channel = uint64(item // channels), uint64(item % channels)
        term = part * uint64(own) + uint64(cuda.threadIdx.x)  # a pixel of one of the samples
        end = min(part * uint64(own) + uint64(own), uint64(dy.size) // uint64(channels))
        pixel, total = term % plane, db.dtype.type(0)
        place = term // plane * over + channel * plane + pixel
        while term + uint64(3 * THREADS) < end:  # four reads at a time are under way
            second, pixel = _next(place, pixel, plane, over)
            third, pixel = _next(second, pixel, plane, over)
            fourth, pixel = _next(third, pixel, plane, over)
            total = total + dy[place] + dy[second] + dy[third] + dy[fourth]
            place, pixel = _next(fourth, pixel, plane, over)
            term += uint64(4 * THREADS)
        while term < end:
            total += dy[place]
            place, pixel = _next(place, pixel, plane, over)
            term += uint64(THREADS)
        total = sum_of_block(total, shared)
        if cuda.threadIdx.x == 0:
            db[item] = total


def backward_bias(dy: Array, db: Array) -> None:
    """Write the sums of dy over samples and pixels to db; long ones are split between blocks, and added in order."""
    batch, channels, out_h, out_w = dy.shape
    terms = batch * out_h * out_w
    parts = max(1, min(BLOCKS // max(1, channels), terms // LEAST_TERMS))
    target = db if parts == 1 else scratch(parts * channels, db.dtype)
    given = dy.reshape(dy.size), channels, max(1, out_h * out_w), -(-terms // parts), target
    launch_blocks(_backward_bias, parts * channels, THREADS, *given)
    if parts > 1:
        add_parts(target, parts, db)
