"""Fully connected layers of one sample by a block of threads."""

from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import program as at
from kernels.simt.warp_sum import sum_of_warp

Floats = NDArray[Any]
Step = NDArray[Any]


@cuda_device
def dense(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write y = w x + b: a warp for every output, whose lanes take inputs."""
    features, lane = step[at.CHANNELS], cuda.threadIdx.x % 32
    zero = arena.dtype.type(0)
    for m in range(cuda.threadIdx.x // 32, step[at.ROWS], cuda.blockDim.x // 32):
        total, start = zero, step[at.WEIGHT] + m * features
        for k in range(lane, features, 32):
            total += parameters[start + k] * arena[step[at.SOURCE] + k]
        total = sum_of_warp(total) + parameters[step[at.BIAS] + m]
        if step[at.RELU_AFTER] != 0 and total <= zero:
            total = zero
        if lane == 0:
            arena[step[at.TARGET] + m] = total


@cuda_device
def dense_inputs(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write dx: a thread for every input. The gradients of the parameters are sums over samples, see ``update``."""
    features, zero = step[at.CHANNELS], arena.dtype.type(0)
    gradient = step[at.TARGET] + step[at.TARGET_GRADIENT]
    for k in range(cuda.threadIdx.x, features, cuda.blockDim.x):
        total, w = zero, step[at.WEIGHT] + k
        for m in range(step[at.ROWS]):
            total += parameters[w] * arena[gradient + m]
            w += features
        place = step[at.SOURCE] + k
        if step[at.MASKED] != 0 and arena[place] <= zero:
            total = zero
        arena[place + step[at.SOURCE_GRADIENT]] = total
