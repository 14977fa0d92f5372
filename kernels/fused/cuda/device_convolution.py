"""Convolution of one sample by a block of threads: a thread computes a register tile of 4 channels by 4 pixels.

Indices are unsigned: a signed one may count from the end of an array, which takes three instructions to find out.
"""

from typing import Any

from numba import cuda, uint32, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import device_program as at
from kernels.simt.tile import outer, part, spread
from kernels.simt.warp_sum import sums_of_warp

Floats = NDArray[Any]
Step = NDArray[Any]

_0, _1, _2, _3, _4, _WARP = uint64(0), uint64(1), uint64(2), uint64(3), uint64(4), uint64(32)


@cuda_device
def divided(number: int, by: int) -> tuple[int, int]:
    """Return quotient and remainder, of 32 bits."""
    quotient = uint64(uint32(number) // uint32(by))
    return quotient, number - quotient * by


@cuda_device
def correlate(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write y = w * x + b; taps in the padding read its zeros."""
    rows, channels, out_w = step[at.ROWS], step[at.CHANNELS], step[at.OUT_W]
    area, taps = step[at.OUT_H] * out_w, step[at.KERNEL_H] * step[at.KERNEL_W]
    own, fours, quarter = channels * taps, (rows + _3) // _4, (area + _3) // _4
    zero = arena.dtype.type(0)
    first = step[at.SOURCE] - step[at.TOP] * step[at.SOURCE_ROW] - step[at.LEFT]
    down, across = step[at.STRIDE_H] * step[at.SOURCE_ROW], step[at.STRIDE_W]
    over_rows = step[at.DILATION_H] * step[at.SOURCE_ROW]
    item, end = uint64(cuda.threadIdx.x), step[at.GROUPS] * fours * quarter
    while item < end:
        over, pixel = divided(item, quarter)
        group, o = divided(over, fours)
        o *= _4
        start = first + group * channels * step[at.SOURCE_CHANNEL]
        i, j = divided(pixel, out_w)
        x0 = start + i * down + j * across
        i, j = divided(min(pixel + quarter, area - _1), out_w)
        x1 = start + i * down + j * across
        i, j = divided(min(pixel + _2 * quarter, area - _1), out_w)
        x2 = start + i * down + j * across
        i, j = divided(min(pixel + _3 * quarter, area - _1), out_w)
        x3 = start + i * down + j * across
        last = rows - _1 - o
        w0 = step[at.WEIGHT] + (group * rows + o) * own
        w1, w2, w3 = w0 + min(last, _1) * own, w0 + min(last, _2) * own, w0 + min(last, _3) * own
        sums, tap, plane, c = spread(16, zero), _0, _0, _0
        while c < channels:
            row, p = plane, _0
            while p < step[at.KERNEL_H]:
                place, q = row, _0
                while q < step[at.KERNEL_W]:
                    weights = (parameters[w0 + tap], parameters[w1 + tap], parameters[w2 + tap], parameters[w3 + tap])
                    pixels = (arena[x0 + place], arena[x1 + place], arena[x2 + place], arena[x3 + place])
                    sums = outer(sums, weights, pixels)
                    place += step[at.DILATION_W]
                    tap += _1
                    q += _1
                row += over_rows
                p += _1
            plane += step[at.SOURCE_CHANNEL]
            c += _1
        for m in range(4):
            if uint64(m) <= last:
                bias = parameters[step[at.BIAS] + group * rows + o + uint64(m)]
                channel = step[at.TARGET] + (group * rows + o + uint64(m)) * step[at.TARGET_CHANNEL]
                for n in range(4):
                    own_pixel = pixel + uint64(n) * quarter
                    if own_pixel < area:
                        value = part(sums, 4 * m + n, 1)[0] + bias
                        if step[at.RELU_AFTER] != _0 and value <= zero:
                            value = zero
                        i, j = divided(own_pixel, out_w)
                        arena[channel + i * step[at.TARGET_ROW] + j] = value
        item += uint64(cuda.blockDim.x)


@cuda_device
def _met(step: Step, row: int, column: int, p: int, q: int) -> tuple[int, int]:
    """Return where a pixel met a tap in the target's plane, and the distance to the next channel; 0 and 0 if nowhere."""
    down, sideways = row + step[at.TOP] - p * step[at.DILATION_H], column + step[at.LEFT] - q * step[at.DILATION_W]
    i, j, is_met = down, sideways, True
    if step[at.STRIDE_H] > _1 or step[at.STRIDE_W] > _1:
        i, rest = divided(down, step[at.STRIDE_H])
        j, rest_w = divided(sideways, step[at.STRIDE_W])
        is_met = rest == _0 and rest_w == _0
    # above and to the left of the target they wrap around, beyond its rows and columns
    if is_met and down < step[at.OUT_H] * step[at.STRIDE_H] and sideways < step[at.OUT_W] * step[at.STRIDE_W]:
        return i * step[at.TARGET_ROW] + j, step[at.TARGET_CHANNEL]
    return _0, _0


@cuda_device
def correlate_inputs(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write dx: for 4 channels of 4 pixels, what they contributed to; the arena's first 0 where a tap met nothing."""
    rows, channels, width = step[at.ROWS], step[at.CHANNELS], step[at.WIDTH]
    area, taps = step[at.HEIGHT] * width, step[at.KERNEL_H] * step[at.KERNEL_W]
    fours, next_row, quarter = (channels + _3) // _4, channels * taps, (area + _3) // _4
    zero = arena.dtype.type(0)
    item, end = uint64(cuda.threadIdx.x), step[at.GROUPS] * fours * quarter
    while item < end:
        over, pixel = divided(item, quarter)
        group, c = divided(over, fours)
        c *= _4
        i0, j0 = divided(pixel, width)
        i1, j1 = divided(min(pixel + quarter, area - _1), width)
        i2, j2 = divided(min(pixel + _2 * quarter, area - _1), width)
        i3, j3 = divided(min(pixel + _3 * quarter, area - _1), width)
        last = channels - _1 - c
        w1, w2, w3 = min(last, _1) * taps, min(last, _2) * taps, min(last, _3) * taps
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + group * rows * step[at.TARGET_CHANNEL]
        first = step[at.WEIGHT] + (group * rows * channels + c) * taps
        sums, p, tap = spread(16, zero), _0, _0
        while p < step[at.KERNEL_H]:
            q = _0
            while q < step[at.KERNEL_W]:
                at0, n0 = _met(step, i0, j0, p, q)
                at1, n1 = _met(step, i1, j1, p, q)
                at2, n2 = _met(step, i2, j2, p, q)
                at3, n3 = _met(step, i3, j3, p, q)
                at0 += gradient if n0 != _0 else _0
                at1 += gradient if n1 != _0 else _0
                at2 += gradient if n2 != _0 else _0
                at3 += gradient if n3 != _0 else _0
                w, o = first + tap, _0
                while o < rows:
                    weights = (parameters[w], parameters[w + w1], parameters[w + w2], parameters[w + w3])
                    sums = outer(sums, weights, (arena[at0], arena[at1], arena[at2], arena[at3]))
                    at0 += n0
                    at1 += n1
                    at2 += n2
                    at3 += n3
                    w += next_row
                    o += _1
                tap += _1
                q += _1
            p += _1
        for m in range(4):
            if uint64(m) <= last:
                plane = step[at.SOURCE] + (group * channels + c + uint64(m)) * step[at.SOURCE_CHANNEL]
                for n in range(4):
                    own = pixel + uint64(n) * quarter
                    if own < area:
                        i, j = divided(own, width)
                        place = plane + i * step[at.SOURCE_ROW] + j
                        value = part(sums, 4 * m + n, 1)[0]
                        if step[at.MASKED] != _0 and arena[place] <= zero:
                            value = zero
                        arena[place + step[at.SOURCE_GRADIENT]] = value
        item += uint64(cuda.blockDim.x)


@cuda_device
def correlate_weights(step: Step, arena: Floats, partials: Floats) -> None:
    """Write what the sample contributes to dw and db: a warp sums 4 channels by 4 taps, its lanes take pixels."""
    rows, channels, out_w = step[at.ROWS], step[at.CHANNELS], step[at.OUT_W]
    area, taps = step[at.OUT_H] * out_w, step[at.KERNEL_H] * step[at.KERNEL_W]
    own, fours = channels * taps, (rows + _3) // _4
    across, lane = (own + _3) // _4, uint64(cuda.threadIdx.x % 32)
    zero, one = arena.dtype.type(0), arena.dtype.type(1)
    start = step[at.SOURCE] - step[at.TOP] * step[at.SOURCE_ROW] - step[at.LEFT]
    down, sideways = step[at.STRIDE_H] * step[at.SOURCE_ROW], step[at.STRIDE_W]
    item, end = uint64(cuda.threadIdx.x // 32), step[at.GROUPS] * fours * across
    while item < end:
        over, four = divided(item, across)
        group, o = divided(over, fours)
        o *= _4
        four *= _4
        last, most = rows - _1 - o, own - _1
        channel = step[at.TARGET_CHANNEL]
        g0 = step[at.TARGET] + step[at.TARGET_GRADIENT] + (group * rows + o) * channel
        g1, g2, g3 = g0 + min(last, _1) * channel, g0 + min(last, _2) * channel, g0 + min(last, _3) * channel
        first = start + group * channels * step[at.SOURCE_CHANNEL]
        t0, t1 = first + _tap(step, four, taps), first + _tap(step, min(four + _1, most), taps)
        t2, t3 = first + _tap(step, min(four + _2, most), taps), first + _tap(step, min(four + _3, most), taps)
        sums, biases, pixel = spread(16, zero), spread(4, zero), lane
        while pixel < area:
            i, j = divided(pixel, out_w)
            place, x = i * step[at.TARGET_ROW] + j, i * down + j * sideways
            gradients = (arena[g0 + place], arena[g1 + place], arena[g2 + place], arena[g3 + place])
            sums = outer(sums, gradients, (arena[t0 + x], arena[t1 + x], arena[t2 + x], arena[t3 + x]))
            biases = outer(biases, gradients, (one,))
            pixel += _WARP
        total, number = sums_of_warp(sums), lane // _2
        m, n = number // _4, number % _4
        if lane % _2 == _0 and m <= last and four + n < own:
            partials[step[at.PARTIAL] + (group * rows + o + m) * own + four + n] = total
        if four == _0:
            bias = sums_of_warp(biases + spread(12, zero))
            if lane % _2 == _0 and number <= last and number < _4:
                partials[step[at.PARTIAL] + step[at.GROUPS] * rows * own + group * rows + o + number] = bias
        item += uint64(cuda.blockDim.x // 32)


@cuda_device
def _tap(step: Step, number: int, taps: int) -> Any:
    """Return where tap ``number`` of a filter is, from the first."""
    channel, own = divided(number, taps)
    p, q = divided(own, step[at.KERNEL_W])
    return channel * step[at.SOURCE_CHANNEL] + p * step[at.DILATION_H] * step[at.SOURCE_ROW] + q * step[at.DILATION_W]
