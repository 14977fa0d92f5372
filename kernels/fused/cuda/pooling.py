"""Pooling of one sample by a block of threads; a maximum keeps its tap, so that its gradient searches no window again."""

import math
from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import program as at

Floats = NDArray[Any]
Step = NDArray[Any]


@cuda_device
def max_pool(step: Step, arena: Floats) -> None:
    """Write the largest element of every window, NaN if there is one, and keep the number of its tap; -1 for none."""
    area = step[at.OUT_H] * step[at.OUT_W]
    for item in range(cuda.threadIdx.x, step[at.CHANNELS] * area, cuda.blockDim.x):
        c, i, j = item // area, item % area // step[at.OUT_W], item % step[at.OUT_W]
        best, chosen = arena.dtype.type(-math.inf), -1
        for p in range(step[at.KERNEL_H]):
            row = i * step[at.STRIDE_H] + p * step[at.DILATION_H] - step[at.TOP]
            for q in range(step[at.KERNEL_W]):
                column = j * step[at.STRIDE_W] + q * step[at.DILATION_W] - step[at.LEFT]
                if 0 <= row < step[at.HEIGHT] and 0 <= column < step[at.WIDTH]:
                    place = step[at.SOURCE] + c * step[at.SOURCE_CHANNEL] + row * step[at.SOURCE_ROW] + column
                    value = arena[place]
                    if chosen < 0 or value > best or (math.isnan(value) and not math.isnan(best)):
                        best, chosen = value, p * step[at.KERNEL_W] + q
        arena[step[at.TARGET] + c * step[at.TARGET_CHANNEL] + i * step[at.TARGET_ROW] + j] = best
        arena[step[at.KEPT] + item] = arena.dtype.type(chosen)


@cuda_device
def sum_pool(step: Step, arena: Floats, factor: Any) -> None:
    """Write the sum of every window, times a factor."""
    area = step[at.OUT_H] * step[at.OUT_W]
    for item in range(cuda.threadIdx.x, step[at.CHANNELS] * area, cuda.blockDim.x):
        c, i, j = item // area, item % area // step[at.OUT_W], item % step[at.OUT_W]
        total = arena.dtype.type(0)
        for p in range(step[at.KERNEL_H]):
            row = i * step[at.STRIDE_H] + p * step[at.DILATION_H] - step[at.TOP]
            for q in range(step[at.KERNEL_W]):
                column = j * step[at.STRIDE_W] + q * step[at.DILATION_W] - step[at.LEFT]
                if 0 <= row < step[at.HEIGHT] and 0 <= column < step[at.WIDTH]:
                    total += arena[step[at.SOURCE] + c * step[at.SOURCE_CHANNEL] + row * step[at.SOURCE_ROW] + column]
        arena[step[at.TARGET] + c * step[at.TARGET_CHANNEL] + i * step[at.TARGET_ROW] + j] = total * factor


@cuda_device
def pool_backward(step: Step, arena: Floats, factor: Any) -> None:
    """Write dx: a thread for every pixel adds the gradients of the windows that it is in, or whose maximum it is."""
    area, zero = step[at.HEIGHT] * step[at.WIDTH], arena.dtype.type(0)
    is_max = step[at.OP] == at.MAX_POOL_BACKWARD
    windows = step[at.OUT_H] * step[at.OUT_W]
    for item in range(cuda.threadIdx.x, step[at.CHANNELS] * area, cuda.blockDim.x):
        c, row, column = item // area, item % area // step[at.WIDTH], item % step[at.WIDTH]
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + c * step[at.TARGET_CHANNEL]
        total = zero
        for p in range(step[at.KERNEL_H]):
            down = row + step[at.TOP] - p * step[at.DILATION_H]
            i = down // step[at.STRIDE_H]
            if down >= 0 and i * step[at.STRIDE_H] == down and i < step[at.OUT_H]:
                for q in range(step[at.KERNEL_W]):
                    across = column + step[at.LEFT] - q * step[at.DILATION_W]
                    j = across // step[at.STRIDE_W]
                    if across >= 0 and j * step[at.STRIDE_W] == across and j < step[at.OUT_W]:
                        value = arena[gradient + i * step[at.TARGET_ROW] + j]
                        if is_max:
                            chosen = arena[step[at.KEPT] + c * windows + i * step[at.OUT_W] + j]
                            total += value if chosen == p * step[at.KERNEL_W] + q else zero
                        else:
                            total += value * factor
        place = step[at.SOURCE] + c * step[at.SOURCE_CHANNEL] + row * step[at.SOURCE_ROW] + column
        if step[at.MASKED] != 0 and arena[place] <= zero:
            total = zero
        arena[place + step[at.SOURCE_GRADIENT]] = total
