"""Convolution of one sample by a block of threads: a thread computes a register tile of 4 channels by 4 pixels.

Indices are unsigned: a signed one may count from the end of an array, which takes three instructions to find out.
"""

from typing import Any, NamedTuple

from numba import cuda, int32, uint32, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import device_program as at
from kernels.simt.tile import Tile, outer, part, spread
from kernels.simt.warp_sum import ALL, sum_of_warp, sums_of_warp

Floats = NDArray[Any]
Step = NDArray[Any]

Starts = tuple[int, int, int, int]
"""Places in flat memory: of 4 channels, or of 4 pixels."""

_0, _1, _2, _3, _4, _5, _7, _8, _WARP = (uint64(number) for number in (0, 1, 2, 3, 4, 5, 7, 8, 32))


class Planes(NamedTuple):
    """The channels of a value: their number, from one to the next, and from row to row."""

    number: int
    step: int
    row: int


@cuda_device
def divided(number: int, by: int) -> tuple[int, int]:
    """Return quotient and remainder, of 32 bits."""
    quotient = uint64(uint32(number) // uint32(by))
    return quotient, number - quotient * by


def _make_taps(count: int, direction: int) -> Any:
    """Make the function that adds the products of ``count`` taps side by side to 4 channels of 4 pixels."""
    onwards = uint64(direction % 2**64)

    @cuda_device
    def taps(sums: Tile, weights: Floats, w: Starts, tap: int, values: Floats, x: Starts, place: int) -> Tile:
        w0, w1, w2, w3 = uint32(w[0] + tap), uint32(w[1] + tap), uint32(w[2] + tap), uint32(w[3] + tap)
        x0, x1, x2, x3 = uint32(x[0] + place), uint32(x[1] + place), uint32(x[2] + place), uint32(x[3] + place)
        for number in range(count):  # whose distances are in the instructions
            n = uint64(number)
            left = weights[w0 + n], weights[w1 + n], weights[w2 + n], weights[w3 + n]
            n *= onwards
            sums = outer(sums, left, (values[x0 + n], values[x1 + n], values[x2 + n], values[x3 + n]))
        return sums

    return taps


def _make_sums(direction: int) -> Any:
    """Make the function that sums the terms of 4 channels of 4 pixels over all taps of all planes.

    ``direction`` is 1 or -1: whether the pixels go on or back from a tap to the next one.
    """
    five, three = _make_taps(5, direction), _make_taps(3, direction)
    onwards = uint32(direction % 2**32)

    @cuda_device
    def summed(
        step: Step, weights: Floats, w: Starts, next_weights: int, values: Floats, x: Starts, planes: Planes
    ) -> Tile:
        """Return the sums.

        Parameters
        ----------
        weights, w : where the taps of the first plane begin for each channel
        next_weights : from a plane's taps to those of the next
        values, x : where the first tap meets each pixel in the first plane
        planes : their number; from one to the next; from row to row
        """
        height, width, across = step[at.KERNEL_H], uint32(step[at.KERNEL_W]), uint32(step[at.DILATION_W])
        down, sideways = uint32(step[at.DILATION_H] * planes.row * onwards), uint32(across * onwards)
        sums, number = spread(16, values.dtype.type(0)), _0
        while number < planes.number:
            tap, row, p = uint32(number * next_weights), uint32(number * planes.step), _0
            while p < height:
                q, place = uint32(0), row
                if across == uint32(1):
                    while q + uint32(4) < width:
                        sums = five(sums, weights, w, uint32(tap + q), values, x, place)
                        q, place = uint32(q + uint32(5)), uint32(place + uint32(5) * onwards)
                    if q + uint32(2) < width:
                        sums = three(sums, weights, w, uint32(tap + q), values, x, place)
                        q, place = uint32(q + uint32(3)), uint32(place + uint32(3) * onwards)
                while q < width:
                    own = uint32(tap + q)
                    left = weights[w[0] + own], weights[w[1] + own], weights[w[2] + own], weights[w[3] + own]
                    right = values[uint32(x[0] + place)], values[uint32(x[1] + place)]
                    sums = outer(sums, left, (*right, values[uint32(x[2] + place)], values[uint32(x[3] + place)]))
                    q, place = uint32(q + uint32(1)), uint32(place + sideways)
                tap, row, p = uint32(tap + width), uint32(row + down), p + _1
            number += _1
        return sums

    return summed


_sums_onwards, _sums_back = _make_sums(1), _make_sums(-1)


@cuda_device
def _moved(starts: Starts, distance: int) -> Starts:
    """Return places further on, as 32 bits: of parameters and of a sample's memory there are fewer than 2**32."""
    one, two = uint32(starts[0] + distance), uint32(starts[1] + distance)
    return one, two, uint32(starts[2] + distance), uint32(starts[3] + distance)


@cuda_device
def correlate(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write y = w * x + b; taps in the padding read its zeros."""
    rows, channels, out_w = step[at.ROWS], step[at.CHANNELS], step[at.OUT_W]
    area, taps = step[at.OUT_H] * out_w, step[at.KERNEL_H] * step[at.KERNEL_W]
    own, fours, quarter = channels * taps, (rows + _3) // _4, (area + _3) // _4
    zero = arena.dtype.type(0)
    first = step[at.SOURCE] - step[at.TOP] * step[at.SOURCE_ROW] - step[at.LEFT]
    down, across = step[at.STRIDE_H] * step[at.SOURCE_ROW], step[at.STRIDE_W]
    planes = Planes(channels, step[at.SOURCE_CHANNEL], step[at.SOURCE_ROW])
    item, end = uint64(cuda.threadIdx.x), step[at.GROUPS] * fours * quarter
    while item < end:
        over, pixel = divided(item, quarter)
        group, o = divided(over, fours)
        o *= _4
        start = first + group * channels * step[at.SOURCE_CHANNEL]
        x = _moved(_places(pixel, quarter, area, out_w, down, across), start)
        last = rows - _1 - o
        w = _0, min(last, _1) * own, min(last, _2) * own, min(last, _3) * own
        w = _moved(w, step[at.WEIGHT] + (group * rows + o) * own)
        sums = _sums_onwards(step, parameters, w, taps, arena, x, planes)
        target = step[at.TARGET] + (group * rows + o) * step[at.TARGET_CHANNEL]
        for n in range(4):
            if pixel < area:
                i, j = divided(pixel, out_w)
                place = target + i * step[at.TARGET_ROW] + j
                for m in range(4):
                    if uint64(m) <= last:
                        value = part(sums, 4 * m + n, 1)[0] + parameters[step[at.BIAS] + group * rows + o + uint64(m)]
                        if step[at.RELU_AFTER] != _0 and value <= zero:
                            value = zero
                        arena[place + uint64(m) * step[at.TARGET_CHANNEL]] = value
            pixel += quarter
        item += uint64(cuda.blockDim.x)


@cuda_device
def _places(pixel: int, quarter: int, area: int, width: int, down: int, across: int) -> Starts:
    """Return where 4 pixels are, a quarter of the area apart, the last one for those beyond it."""
    i, j = divided(pixel, width)
    first = i * down + j * across
    i, j = divided(min(pixel + quarter, area - _1), width)
    second = i * down + j * across
    i, j = divided(min(pixel + _2 * quarter, area - _1), width)
    third = i * down + j * across
    i, j = divided(min(pixel + _3 * quarter, area - _1), width)
    return first, second, third, i * down + j * across


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
def _gathered(step: Step, arena: Floats, parameters: Floats, gradient: int, w: Starts, pixels: Starts) -> Tile:
    """Return the sums of dx where the gradient has no border of zeros: the arena's first 0 where a tap met nothing."""
    next_row, width = step[at.CHANNELS] * step[at.KERNEL_H] * step[at.KERNEL_W], step[at.WIDTH]
    i0, j0 = divided(pixels[0], width)
    i1, j1 = divided(pixels[1], width)
    i2, j2 = divided(pixels[2], width)
    i3, j3 = divided(pixels[3], width)
    sums, p = spread(16, arena.dtype.type(0)), _0
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
            own, o = w, _0
            while o < step[at.ROWS]:
                weights = parameters[own[0]], parameters[own[1]], parameters[own[2]], parameters[own[3]]
                sums = outer(sums, weights, (arena[at0], arena[at1], arena[at2], arena[at3]))
                at0 += n0
                at1 += n1
                at2 += n2
                at3 += n3
                own = _moved(own, next_row)
                o += _1
            w = _moved(w, _1)
            q += _1
        p += _1
    return sums


@cuda_device
def correlate_inputs(step: Step, arena: Floats, parameters: Floats) -> None:
    """Write dx: for 4 channels of 4 pixels, what they contributed to."""
    rows, channels, width = step[at.ROWS], step[at.CHANNELS], step[at.WIDTH]
    area, taps = step[at.HEIGHT] * width, step[at.KERNEL_H] * step[at.KERNEL_W]
    fours, quarter = (channels + _3) // _4, (area + _3) // _4
    zero = arena.dtype.type(0)
    planes = Planes(rows, step[at.TARGET_CHANNEL], step[at.TARGET_ROW])
    item, end = uint64(cuda.threadIdx.x), step[at.GROUPS] * fours * quarter
    while item < end:
        over, pixel = divided(item, quarter)
        group, c = divided(over, fours)
        c *= _4
        last = channels - _1 - c
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + group * rows * step[at.TARGET_CHANNEL]
        w = _0, min(last, _1) * taps, min(last, _2) * taps, min(last, _3) * taps
        w = _moved(w, step[at.WEIGHT] + (group * rows * channels + c) * taps)
        if step[at.BORDERED] != _0:
            x = _places(pixel, quarter, area, width, step[at.TARGET_ROW], _1)
            x = _moved(x, gradient + step[at.TOP] * step[at.TARGET_ROW] + step[at.LEFT])
            sums = _sums_back(step, parameters, w, channels * taps, arena, x, planes)
        else:
            pixels = _places(pixel, quarter, area, area, _0, _1)
            sums = _gathered(step, arena, parameters, gradient, w, pixels)
        source = step[at.SOURCE] + (group * channels + c) * step[at.SOURCE_CHANNEL]
        for n in range(4):
            if pixel < area:
                i, j = divided(pixel, width)
                place = source + i * step[at.SOURCE_ROW] + j
                for m in range(4):
                    if uint64(m) <= last:
                        value = part(sums, 4 * m + n, 1)[0]
                        if step[at.MASKED] != _0 and arena[place] <= zero:
                            value = zero
                        arena[place + step[at.SOURCE_GRADIENT]] = value
                    place += step[at.SOURCE_CHANNEL]
            pixel += quarter
        item += uint64(cuda.blockDim.x)


@cuda_device
def correlate_weights(step: Step, arena: Floats, partials: Floats) -> None:
    """Write what the sample contributes to dw and db: a warp sums 4 channels by 8 taps, its lanes take pixels."""
    rows, channels, out_w = step[at.ROWS], step[at.CHANNELS], uint32(step[at.OUT_W])
    area, taps = step[at.OUT_H] * step[at.OUT_W], step[at.KERNEL_H] * step[at.KERNEL_W]
    own, fours = channels * taps, (rows + _3) // _4
    eights, lane = (own + _7) // _8, uint64(cuda.threadIdx.x % 32)
    start = step[at.SOURCE] - step[at.TOP] * step[at.SOURCE_ROW] - step[at.LEFT]
    target_row, channel = uint32(step[at.TARGET_ROW]), step[at.TARGET_CHANNEL]
    down, sideways = uint32(step[at.STRIDE_H] * step[at.SOURCE_ROW]), uint32(step[at.STRIDE_W])
    first_i, first_j = uint32(lane) // out_w, uint32(lane) % out_w
    next_i, next_j = uint32(32) // out_w, uint32(32) % out_w
    item, end = uint64(cuda.threadIdx.x // 32), step[at.GROUPS] * fours * eights
    while item < end:
        over, number = divided(item, eights)
        group, o = divided(over, fours)
        o *= _4
        number *= _8
        last = rows - _1 - o
        g = _0, min(last, _1) * channel, min(last, _2) * channel, min(last, _3) * channel
        g = _moved(g, step[at.TARGET] + step[at.TARGET_GRADIENT] + (group * rows + o) * channel)
        # a lane finds one of the eight taps
        found = int32(_tap(step, min(number + lane % _8, own - _1), taps))
        t = start + group * channels * step[at.SOURCE_CHANNEL]
        t_low = _moved((_shown(found, 0), _shown(found, 1), _shown(found, 2), _shown(found, 3)), t)
        t_high = _moved((_shown(found, 4), _shown(found, 5), _shown(found, 6), _shown(found, 7)), t)
        sums, pixel, i, j = spread(32, arena.dtype.type(0)), lane, first_i, first_j
        while pixel < area:
            gradients = _read(arena, g, uint32(i * target_row + j))
            x = uint32(i * down + j * sideways)
            sums = outer(sums, gradients, _read(arena, t_low, x) + _read(arena, t_high, x))
            i, j = uint32(i + next_i), uint32(j + next_j)
            if j >= out_w:
                i, j = uint32(i + uint32(1)), uint32(j - out_w)
            pixel += _WARP
        total, m, n = sums_of_warp(sums), lane // _8, lane % _8
        if m <= last and number + n < own:
            partials[step[at.PARTIAL] + (group * rows + o + m) * own + number + n] = total
        item += uint64(cuda.blockDim.x // 32)
    _sum_gradients(step, arena, partials, step[at.PARTIAL] + step[at.GROUPS] * rows * own)


@cuda_device
def _sum_gradients(step: Step, arena: Floats, partials: Floats, place: int) -> None:
    """Write what the sample contributes to db from ``place`` on: a warp for a channel."""
    area, lane = step[at.OUT_H] * step[at.OUT_W], uint64(cuda.threadIdx.x % 32)
    o = uint64(cuda.threadIdx.x // 32)
    while o < step[at.GROUPS] * step[at.ROWS]:
        gradient = step[at.TARGET] + step[at.TARGET_GRADIENT] + o * step[at.TARGET_CHANNEL]
        total, pixel = arena.dtype.type(0), lane
        while pixel < area:
            i, j = divided(pixel, step[at.OUT_W])
            total += arena[gradient + i * step[at.TARGET_ROW] + j]
            pixel += _WARP
        total = sum_of_warp(total)
        if lane == _0:
            partials[place + o] = total
        o += uint64(cuda.blockDim.x // 32)


@cuda_device
def _read(arena: Floats, starts: Starts, place: int) -> Tile:
    one, two = arena[uint32(starts[0] + place)], arena[uint32(starts[1] + place)]
    return one, two, arena[uint32(starts[2] + place)], arena[uint32(starts[3] + place)]


@cuda_device
def _shown(value: int, lane: int) -> Any:
    """Return the value that a lane of the warp has."""
    return uint64(cuda.shfl_sync(ALL, value, lane))


@cuda_device
def _tap(step: Step, number: int, taps: int) -> Any:
    """Return where tap ``number`` of a filter is, from the first."""
    channel, own = divided(number, taps)
    p, q = divided(own, step[at.KERNEL_W])
    return channel * step[at.SOURCE_CHANNEL] + p * step[at.DILATION_H] * step[at.SOURCE_ROW] + q * step[at.DILATION_W]
