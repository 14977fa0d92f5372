"""Convolution of one sample by a block of threads: a thread computes a register tile of 4 channels by 4 pixels."""

from typing import Any

from numba import cuda, int64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import program as at
from kernels.simt.tile import outer, part, spread
from kernels.simt.warp_sum import sum_of_warp

Floats = NDArray[Any]
Step = NDArray[Any]


@cuda_device
def correlate(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write y = w * x + b; taps in the padding read its zeros."""
    rows, channels, out_w = step[at.ROWS], step[at.CHANNELS], step[at.OUT_W]
    area, taps = step[at.OUT_H] * out_w, step[at.KERNEL_H] * step[at.KERNEL_W]
    own, fours, quarter = channels * taps, (rows + 3) // 4, (area + 3) // 4
    zero = arena.dtype.type(0)
    first = step[at.SOURCE] - step[at.TOP] * step[at.SOURCE_ROW] - step[at.LEFT]
    for item in range(cuda.threadIdx.x, step[at.GROUPS] * fours * quarter, cuda.blockDim.x):
        pixel, over = item % quarter, item // quarter
        o, group = over % fours * 4, over // fours
        p0, p1, p2, p3 = pixel, pixel + quarter, min(pixel + 2 * quarter, area - 1), min(pixel + 3 * quarter, area - 1)
        p1 = min(p1, area - 1)
        down, across = step[at.STRIDE_H] * step[at.SOURCE_ROW], step[at.STRIDE_W]
        start = first + group * channels * step[at.SOURCE_CHANNEL]
        x0 = start + p0 // out_w * down + p0 % out_w * across
        x1 = start + p1 // out_w * down + p1 % out_w * across - x0
        x2 = start + p2 // out_w * down + p2 % out_w * across - x0
        x3 = start + p3 // out_w * down + p3 % out_w * across - x0
        last = rows - 1 - o
        w0 = step[at.WEIGHT] + (group * rows + o) * own
        w1, w2, w3 = min(last, 1) * own, min(last, 2) * own, min(last, 3) * own
        sums = spread(16, zero)
        for c in range(channels):
            for p in range(step[at.KERNEL_H]):
                place = x0 + c * step[at.SOURCE_CHANNEL] + p * step[at.DILATION_H] * step[at.SOURCE_ROW]
                for _ in range(step[at.KERNEL_W]):
                    weights = (parameters[w0], parameters[w0 + w1], parameters[w0 + w2], parameters[w0 + w3])
                    pixels = (arena[place], arena[place + x1], arena[place + x2], arena[place + x3])
                    sums = outer(sums, weights, pixels)
                    place += step[at.DILATION_W]
                    w0 += 1
        for m in range(4):
            if m <= last:
                bias = parameters[step[at.BIAS] + group * rows + o + m]
                channel = step[at.TARGET] + (group * rows + o + m) * step[at.TARGET_CHANNEL]
                for n in range(4):
                    own_pixel = pixel + n * quarter
                    if own_pixel < area:
                        value = part(sums, 4 * m + n, 1)[0] + bias
                        if step[at.RELU_AFTER] != 0 and value <= zero:
                            value = zero
                        arena[channel + own_pixel // out_w * step[at.TARGET_ROW] + own_pixel % out_w] = value


@cuda_device
def correlate_inputs(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write dx: for 4 channels of a pixel, what it contributed to."""
    rows, channels, width = step[at.ROWS], step[at.CHANNELS], step[at.WIDTH]
    area, taps = step[at.HEIGHT] * width, step[at.KERNEL_H] * step[at.KERNEL_W]
    fours = (channels + 3) // 4
    zero = arena.dtype.type(0)
    for item in range(cuda.threadIdx.x, step[at.GROUPS] * fours * area, cuda.blockDim.x):
        pixel, over = item % area, item // area
        c, group = over % fours * 4, over // fours
        row, column = pixel // width + step[at.TOP], pixel % width + step[at.LEFT]
        last = channels - 1 - c
        w1, w2, w3 = min(last, 1) * taps, min(last, 2) * taps, min(last, 3) * taps
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + group * rows * step[at.TARGET_CHANNEL]
        sums = spread(4, zero)
        for p in range(step[at.KERNEL_H]):
            down = row - p * step[at.DILATION_H]
            i = down // step[at.STRIDE_H]
            if down >= 0 and i * step[at.STRIDE_H] == down and i < step[at.OUT_H]:
                for q in range(step[at.KERNEL_W]):
                    across = column - q * step[at.DILATION_W]
                    j = across // step[at.STRIDE_W]
                    if across >= 0 and j * step[at.STRIDE_W] == across and j < step[at.OUT_W]:
                        place = gradient + i * step[at.TARGET_ROW] + j
                        w0 = step[at.WEIGHT] + (group * rows * channels + c) * taps + p * step[at.KERNEL_W] + q
                        for _ in range(rows):
                            weights = (parameters[w0], parameters[w0 + w1], parameters[w0 + w2], parameters[w0 + w3])
                            sums = outer(sums, weights, (arena[place],))
                            place += step[at.TARGET_CHANNEL]
                            w0 += channels * taps
        for m in range(4):
            if m <= last:
                place = step[at.SOURCE] + (group * channels + c + m) * step[at.SOURCE_CHANNEL]
                place += pixel // width * step[at.SOURCE_ROW] + pixel % width
                value = part(sums, m, 1)[0]
                if step[at.MASKED] != 0 and arena[place] <= zero:
                    value = zero
                arena[place + step[at.SOURCE_GRADIENT]] = value


@cuda_device
def correlate_weights(step: Step, arena: Floats, partials: Floats) -> None:
    """Write what the sample contributes to dw and db: a warp sums 4 channels by 4 taps, its lanes take pixels."""
    rows, channels, out_w = step[at.ROWS], step[at.CHANNELS], step[at.OUT_W]
    area, taps = step[at.OUT_H] * out_w, step[at.KERNEL_H] * step[at.KERNEL_W]
    own, fours = channels * taps, (rows + 3) // 4
    across, lane, warps = (own + 3) // 4, cuda.threadIdx.x % 32, cuda.blockDim.x // 32
    zero = arena.dtype.type(0)
    first = step[at.SOURCE] - step[at.TOP] * step[at.SOURCE_ROW] - step[at.LEFT]
    for item in range(cuda.threadIdx.x // 32, step[at.GROUPS] * fours * across, warps):
        four, over = item % across * 4, item // across
        o, group = over % fours * 4, over // fours
        last = rows - 1 - o
        channel = step[at.TARGET_CHANNEL]
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + (group * rows + o) * channel
        g1, g2, g3 = min(last, 1) * channel, min(last, 2) * channel, min(last, 3) * channel
        start = first + group * channels * step[at.SOURCE_CHANNEL]
        t0 = start + _tap(step, min(four, own - 1), taps)
        t1, t2 = _tap(step, min(four + 1, own - 1), taps), _tap(step, min(four + 2, own - 1), taps)
        t1, t2, t3 = start + t1 - t0, start + t2 - t0, start + _tap(step, min(four + 3, own - 1), taps) - t0
        sums, biases = spread(16, zero), spread(4, zero)
        for pixel in range(lane, area, 32):
            i, j = pixel // out_w, pixel % out_w
            place = gradient + i * step[at.TARGET_ROW] + j
            x = t0 + i * step[at.STRIDE_H] * step[at.SOURCE_ROW] + j * step[at.STRIDE_W]
            gradients = (arena[place], arena[place + g1], arena[place + g2], arena[place + g3])
            sums = outer(sums, gradients, (arena[x], arena[x + t1], arena[x + t2], arena[x + t3]))
            if four == 0:
                biases = outer(biases, gradients, (arena.dtype.type(1),))
        for m in range(4):
            bias = sum_of_warp(part(biases, m, 1)[0])
            for n in range(4):
                total = sum_of_warp(part(sums, 4 * m + n, 1)[0])
                if lane == 0 and m <= last and four + n < own:
                    partials[step[at.PARTIAL] + (group * rows + o + m) * own + four + n] = total
            if lane == 0 and m <= last and four == 0:
                partials[step[at.PARTIAL] + step[at.GROUPS] * rows * own + group * rows + o + m] = bias


@cuda_device
def _tap(step: Step, number: int, taps: int) -> Any:
    """Return where tap ``number`` of a filter is, from the first."""
    channel, p, q = number // taps, number % taps // step[at.KERNEL_W], number % step[at.KERNEL_W]
    row = p * step[at.DILATION_H] * step[at.SOURCE_ROW]
    return int64(channel * step[at.SOURCE_CHANNEL] + row + q * step[at.DILATION_W])
