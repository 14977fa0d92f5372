"""Fully connected layers of one sample by a block of threads."""

from typing import Any

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import device_program as at
from kernels.simt.tile import outer, part, spread
from kernels.simt.warp_sum import sum_of_warp

Floats = NDArray[Any]
Step = NDArray[Any]

_0, _1, _2, _3, _4, _WARP = uint64(0), uint64(1), uint64(2), uint64(3), uint64(4), uint64(32)


@cuda_device
def dense(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write y = w x + b: a warp for four outputs, whose lanes take inputs."""
    features, rows, lane = step[at.CHANNELS], step[at.ROWS], uint64(cuda.threadIdx.x % 32)
    zero = arena.dtype.type(0)
    m = uint64(cuda.threadIdx.x // 32) * _4
    while m < rows:
        last = rows - _1 - m
        w0 = step[at.WEIGHT] + m * features
        w1, w2, w3 = w0 + min(last, _1) * features, w0 + min(last, _2) * features, w0 + min(last, _3) * features
        sums, k = spread(4, zero), lane
        while k < features:
            weights = (parameters[w0 + k], parameters[w1 + k], parameters[w2 + k], parameters[w3 + k])
            sums = outer(sums, weights, (arena[step[at.SOURCE] + k],))
            k += _WARP
        for n in range(4):
            total = sum_of_warp(part(sums, n, 1)[0])
            if lane == _0 and uint64(n) <= last:
                total += parameters[step[at.BIAS] + m + uint64(n)]
                if step[at.RELU_AFTER] != _0 and total <= zero:
                    total = zero
                arena[step[at.TARGET] + m + uint64(n)] = total
        m += uint64(cuda.blockDim.x // 32) * _4


@cuda_device
def dense_inputs(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write dx: a thread for every input. The gradients of the parameters are sums over samples, see ``update``."""
    features, rows, zero = step[at.CHANNELS], step[at.ROWS], arena.dtype.type(0)
    gradient = step[at.TARGET] + step[at.TARGET_GRADIENT]
    k = uint64(cuda.threadIdx.x)
    while k < features:
        total, w, m = zero, step[at.WEIGHT] + k, _0
        while m + _3 < rows:  # eight reads at a time are under way
            w1, w2, w3, g = w + features, w + _2 * features, w + _3 * features, gradient + m
            a, b, c, d = parameters[w], parameters[w1], parameters[w2], parameters[w3]
            total = total + a * arena[g] + b * arena[g + _1] + c * arena[g + _2] + d * arena[g + _3]
            w += _4 * features
            m += _4
        while m < rows:
            total += parameters[w] * arena[gradient + m]
            w += features
            m += _1
        place = step[at.SOURCE] + k
        if step[at.MASKED] != _0 and arena[place] <= zero:
            total = zero
        arena[place + step[at.SOURCE_GRADIENT]] = total
        k += uint64(cuda.blockDim.x)
