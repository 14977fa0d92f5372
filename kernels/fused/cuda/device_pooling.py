"""Pooling of one sample by a block of threads; a maximum keeps its tap, so that its gradient searches no window again."""

import math
from typing import Any

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import device_program as at
from kernels.fused.cuda.device_convolution import divided

Floats = NDArray[Any]
Step = NDArray[Any]

_0, _1 = uint64(0), uint64(1)
_NONE = 2.0**24
"""The tap of a window without any."""


@cuda_device
def max_pool(step: Step, arena: Floats) -> None:
    """Write the largest element of every window, NaN if there is one, and keep the number of its tap."""
    area, number = step[at.OUT_H] * step[at.OUT_W], arena.dtype.type
    item, end = uint64(cuda.threadIdx.x), step[at.CHANNELS] * area
    while item < end:
        c, pixel = divided(item, area)
        i, j = divided(pixel, step[at.OUT_W])
        plane = step[at.SOURCE] + c * step[at.SOURCE_CHANNEL]
        best, chosen, tap, p = number(-math.inf), number(_NONE), number(0), _0
        while p < step[at.KERNEL_H]:
            row = i * step[at.STRIDE_H] + p * step[at.DILATION_H] - step[at.TOP]  # above, it wraps around
            q = _0
            while q < step[at.KERNEL_W]:
                column = j * step[at.STRIDE_W] + q * step[at.DILATION_W] - step[at.LEFT]
                if row < step[at.HEIGHT] and column < step[at.WIDTH]:
                    value = arena[plane + row * step[at.SOURCE_ROW] + column]
                    if chosen == number(_NONE) or value > best or (math.isnan(value) and not math.isnan(best)):
                        best, chosen = value, tap
                tap += number(1)
                q += _1
            p += _1
        arena[step[at.TARGET] + c * step[at.TARGET_CHANNEL] + i * step[at.TARGET_ROW] + j] = best
        arena[step[at.KEPT] + item] = chosen
        item += uint64(cuda.blockDim.x)


@cuda_device
def sum_pool(step: Step, arena: Floats, factor: Any) -> None:
    """Write the sum of every window, times a factor."""
    area = step[at.OUT_H] * step[at.OUT_W]
    item, end = uint64(cuda.threadIdx.x), step[at.CHANNELS] * area
    while item < end:
        c, pixel = divided(item, area)
        i, j = divided(pixel, step[at.OUT_W])
        plane, total, p = step[at.SOURCE] + c * step[at.SOURCE_CHANNEL], arena.dtype.type(0), _0
        while p < step[at.KERNEL_H]:
            row = i * step[at.STRIDE_H] + p * step[at.DILATION_H] - step[at.TOP]
            q = _0
            while q < step[at.KERNEL_W]:
                column = j * step[at.STRIDE_W] + q * step[at.DILATION_W] - step[at.LEFT]
                if row < step[at.HEIGHT] and column < step[at.WIDTH]:
                    total += arena[plane + row * step[at.SOURCE_ROW] + column]
                q += _1
            p += _1
        arena[step[at.TARGET] + c * step[at.TARGET_CHANNEL] + i * step[at.TARGET_ROW] + j] = total * factor
        item += uint64(cuda.blockDim.x)


@cuda_device
def pool_backward(step: Step, arena: Floats, factor: Any) -> None:
    """Write dx: a thread for every window, or, where windows overlap or leave pixels out, for every pixel."""
    if step[at.APART] != _0:
        _spread_windows(step, arena, factor)
    else:
        _gather_pixels(step, arena, factor)


@cuda_device
def _spread_windows(step: Step, arena: Floats, factor: Any) -> None:
    """Write to the pixels of every window its gradient, or, but for its maximum, zero."""
    area, zero, number = step[at.OUT_H] * step[at.OUT_W], arena.dtype.type(0), arena.dtype.type
    is_max = step[at.OP] == uint64(at.MAX_POOL_BACKWARD)
    item, end = uint64(cuda.threadIdx.x), step[at.CHANNELS] * area
    while item < end:
        c, pixel = divided(item, area)
        i, j = divided(pixel, step[at.OUT_W])
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + c * step[at.TARGET_CHANNEL]
        value, chosen, tap = arena[gradient + i * step[at.TARGET_ROW] + j], number(0), number(0)
        if is_max:
            chosen = arena[step[at.KEPT] + item]
        else:
            value *= factor
        row = step[at.SOURCE] + c * step[at.SOURCE_CHANNEL] + i * step[at.KERNEL_H] * step[at.SOURCE_ROW]
        row, p = row + j * step[at.KERNEL_W], _0
        while p < step[at.KERNEL_H]:
            q = _0
            while q < step[at.KERNEL_W]:
                own = zero if is_max and tap != chosen else value
                if step[at.MASKED] != _0 and arena[row + q] <= zero:
                    own = zero
                arena[row + q + step[at.SOURCE_GRADIENT]] = own
                tap += number(1)
                q += _1
            row += step[at.SOURCE_ROW]
            p += _1
        item += uint64(cuda.blockDim.x)


@cuda_device
def _gather_pixels(step: Step, arena: Floats, factor: Any) -> None:
    """Add up for every pixel the gradients of the windows that it is in, or whose maximum it is."""
    area, zero, number = step[at.HEIGHT] * step[at.WIDTH], arena.dtype.type(0), arena.dtype.type
    is_max = step[at.OP] == uint64(at.MAX_POOL_BACKWARD)
    windows = step[at.OUT_H] * step[at.OUT_W]
    item, end = uint64(cuda.threadIdx.x), step[at.CHANNELS] * area
    while item < end:
        c, pixel = divided(item, area)
        row, column = divided(pixel, step[at.WIDTH])
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + c * step[at.TARGET_CHANNEL]
        kept = step[at.KEPT] + c * windows
        total, tap, p = zero, number(0), _0
        while p < step[at.KERNEL_H]:
            down = row + step[at.TOP] - p * step[at.DILATION_H]  # above the windows it wraps around, beyond all of them
            i, rest = divided(down, step[at.STRIDE_H])
            is_row = rest == _0 and down < step[at.OUT_H] * step[at.STRIDE_H]
            q = _0
            while q < step[at.KERNEL_W]:
                sideways = column + step[at.LEFT] - q * step[at.DILATION_W]
                j, rest_w = divided(sideways, step[at.STRIDE_W])
                if is_row and rest_w == _0 and sideways < step[at.OUT_W] * step[at.STRIDE_W]:
                    value = arena[gradient + i * step[at.TARGET_ROW] + j]
                    if not is_max:
                        total += value * factor
                    elif arena[kept + i * step[at.OUT_W] + j] == tap:
                        total += value
                tap += number(1)
                q += _1
            p += _1
        place = step[at.SOURCE] + c * step[at.SOURCE_CHANNEL] + row * step[at.SOURCE_ROW] + column
        if step[at.MASKED] != _0 and arena[place] <= zero:
            total = zero
        arena[place + step[at.SOURCE_GRADIENT]] = total
        item += uint64(cuda.blockDim.x)
