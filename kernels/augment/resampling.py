"""Bilinear resampling of a picture at moved places, row by row: lanes are neighbouring pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.augment.drawing import COUNTERS, TRANSFORM, draw_controls, draw_transform
from kernels.augment.strengths import CONTROLS, VECTORS, Warp
from kernels.compile.jit import cpu_core
from kernels.simd.pixels import fraction, limited, load_pixels, pick
from kernels.simd.tile import add, lanes, load, outer, scale, steps, store, store_first, zeros
from kernels.simd.vector_math import multiply, shift

Floats = NDArray[np.float32]

BEFORE, BORDER = 1, 3
"""Pixels of zeros before a row or column, and both before and after it: places are moved at most one pixel out of the
picture, and the last of them has a neighbour, with weight 0."""

CENTRE = TRANSFORM - 1
LINES = 2 * CONTROLS + 1


def room_of(warp: Warp) -> int:
    """Return the elements of memory that ``augment_sample`` needs."""
    padded = warp.channels * (warp.height + BORDER) * (warp.width + BORDER)
    return padded + TRANSFORM + 4 * COUNTERS + LINES * (warp.columns.size // CONTROLS)


@cpu_core
def augment_sample(
    warp: Any,
    low: int,
    high: int,
    position: int,
    images: NDArray[np.uint8],
    scaled: bool,
    sample: int,
    memory: Floats,
    target: Floats,
    start: int,
) -> None:
    """Write an augmented picture, 0..1, channel by channel.

    Parameters
    ----------
    warp : a ``Warp``
    low, high : the key of the step, two words
    position : of the picture in its batch
    images : flat, the bytes of all pictures: pixels 0..255, or float32 values if ``scaled``
    sample : the index of the picture
    memory : ``room_of`` elements; zeros at first
    target, start : the picture goes to ``target[start:]``
    """
    floats = images[: images.size if scaled else 0].view(np.float32)
    transform = warp.channels * (warp.height + BORDER) * (warp.width + BORDER)
    controls = transform + TRANSFORM
    draw_transform(warp, low, high, position, memory, transform)
    if warp.bend != 0:
        draw_controls(warp, low, high, position, memory, controls)
    for row in range(warp.channels * warp.height):
        to = ((row // warp.height) * BORDER + BEFORE + row) * (warp.width + BORDER) + BEFORE
        _copy_row(
            images, floats, scaled, (sample * warp.channels * warp.height + row) * warp.width, warp.width, memory, to
        )
    resample(warp, memory, transform, controls, controls + 4 * COUNTERS, target, start)


@cpu_core
def _copy_row(
    images: NDArray[np.uint8], floats: Floats, scaled: bool, first: int, width: int, target: Floats, start: int
) -> None:
    """Copy a row of pixels as 0..1; its last register overlaps the one before."""
    size = lanes(target)
    if width < size:
        for j in range(width):
            target[start + j] = floats[first + j] if scaled else np.float32(images[first + j]) / np.float32(255)
        return
    for vector in range(0, width, size):
        j = min(vector, width - size)
        if scaled:
            store(load(floats, (first + j,), (0,)), target, (start + j,), (0,))
        else:
            store(load_pixels(images, (first + j,), (0,)), target, (start + j,), (0,))


@cpu_core
def resample(warp: Any, memory: Floats, transform: int, controls: int, lines: int, target: Floats, start: int) -> None:
    """Resample the picture at the start of ``memory``, between borders of zeros; see ``augment_sample``.

    The others are offsets in ``memory``. ``lines`` has room for the control points spread over the columns, CONTROLS rows
    along each axis, and the distances of the columns from the shifted centre.
    """
    height, width, line = warp.height, warp.width, warp.columns.size // CONTROLS
    pitch, size = width + BORDER, lanes(memory)
    distances = lines + 2 * CONTROLS * line
    for j in range(line):
        memory[distances + j] = np.float32(j) - memory[transform + CENTRE]
    if warp.bend != 0:
        for row in range(2 * CONTROLS):
            first = controls + row // CONTROLS * 2 * COUNTERS + row % CONTROLS * CONTROLS
            for j in range(0, line, size):
                points = zeros((0,), (0,), memory)
                for k in range(CONTROLS):
                    points = outer(points, memory, (first + k,), 0, warp.columns, (j,), k * line)
                store(points, memory, (lines + row * line + j,), (0,))
    for i in range(height):
        down = np.float32(i) - memory[transform + CENTRE - 1]
        row_i = memory[transform] * down + np.float32((height - 1) / 2 + BEFORE)
        row_j = memory[transform + 2] * down + np.float32((width - 1) / 2 + BEFORE)
        for j in range(0, line, VECTORS * size):
            columns = steps(VECTORS, j, size)
            y, x = zeros((0,), columns, memory), zeros((0,), columns, memory)
            if warp.bend != 0:
                for k in range(CONTROLS):
                    y = outer(y, warp.rows, (i * CONTROLS,), k, memory, columns, lines + k * line)
                    x = outer(x, warp.rows, (i * CONTROLS,), k, memory, columns, lines + (CONTROLS + k) * line)
            y = outer(shift(y, row_i), memory, (transform,), 1, memory, columns, distances)
            x = outer(shift(x, row_j), memory, (transform,), 3, memory, columns, distances)
            y, x = limited(y, 0.0, height + BEFORE), limited(x, 0.0, width + BEFORE)
            below, right = fraction(y), fraction(x)
            above, left = shift(scale(below, -1.0), 1.0), shift(scale(right, -1.0), 1.0)
            for c in range(warp.channels):
                first = c * (height + BORDER) * pitch
                upper = add(
                    multiply(left, pick(memory, first, y, pitch, x)),
                    multiply(right, pick(memory, first + 1, y, pitch, x)),
                )
                lower = add(
                    multiply(left, pick(memory, first + pitch, y, pitch, x)),
                    multiply(right, pick(memory, first + pitch + 1, y, pitch, x)),
                )
                pixels = add(multiply(above, upper), multiply(below, lower))
                to = start + (c * height + i) * width + j
                store_first(pixels, target, (to,), steps(VECTORS, 0, size), width - j)
