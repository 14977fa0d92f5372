"""Augmentation, as loops.

The picture is bent, scaled by a factor for each axis, rotated, shifted, and mirrored or not. What a pixel q of the result
shows is found by going back: with the centre c of the picture, a shift t, an angle a (counterclockwise), factors s and an
elastic displacement d, it comes from

    p = c + [[cos(a)/s0, sin(a)/s0], [-sin(a)/s1, cos(a)/s1]] (q - c - t) + d(q)

where a mirrored picture has a negative s1. The value at p is interpolated between the four pixels around it, linearly along
each axis; outside the picture there are zeros.

d is a uniform cubic B-spline on a grid of 4x4 cells, whose 7x7 control points have displacements of their own. P. Simard, D.
Steinkraus and J. Platt, Best practices for convolutional neural networks applied to visual document analysis, ICDAR 2003,
section 2, smooth the random displacements of all pixels by a Gaussian. A cubic B-spline is close to a Gaussian whose
standard deviation is the width of a cell divided by sqrt(3): for 28x28 pixels 4.0, as they chose, and their intensity, 34,
is 1.4 for ``elastic``.

All numbers are uniform. A random word w of 32 bits is the number (2w + 1) / 2**32 - 1; Philox (``kernels.compile.philox``)
gives four for a counter. The picture at place n of its batch has the words of the counters (0, 0, n) for the angle, the
factors along rows and columns and the shift along rows; (1, 0, n) for the shift along columns and the reflection; (2 + k, 0,
n) for the control points, numbered in row-major order: 32*m + k along rows is word m, along columns word 2 + m.
"""

from math import cos, floor, radians, sin, sqrt
from typing import Any

from numpy.typing import NDArray

from kernels.augment.drawing import COUNTERS, FIRST
from kernels.augment.strengths import CELLS, CONTROLS, SQUARES, Strengths
from kernels.compile.philox import WORD, philox

Array = NDArray[Any]

_philox = getattr(philox, "py_func", philox)


def augment_reference(images: Array, strengths: Strengths, seed: int, out: Array) -> None:
    """Compute the augmented pictures of a batch (N, C, H, W), values 0..1."""
    samples, channels, height, width = images.shape
    for n in range(samples):
        words = [_philox(counter, 0, n, 0, seed & WORD, seed >> 32) for counter in range(FIRST + COUNTERS)]
        angle = radians(strengths.rotate) * _uniform(words[0][0])
        factors = [1 + strengths.scale * _uniform(words[0][1 + axis]) for axis in (0, 1)]
        shifts = [strengths.shift * _uniform(word) for word in (words[0][3], words[1][0])]
        if (_uniform(words[1][1]) + 1) / 2 < strengths.flip:
            factors[1] = -factors[1]
        centre = (height - 1) / 2, (width - 1) / 2
        for i in range(height):
            for j in range(width):
                down, across = i - centre[0] - shifts[0], j - centre[1] - shifts[1]
                y = centre[0] + (cos(angle) * down + sin(angle) * across) / factors[0]
                x = centre[1] + (cos(angle) * across - sin(angle) * down) / factors[1]
                if strengths.elastic:
                    bent = displacement(strengths.elastic, words, (i + 0.5) / height, (j + 0.5) / width)
                    y, x = y + bent[0], x + bent[1]
                for c in range(channels):
                    out[n, c, i, j] = interpolated(images[n, c], y, x)


def displacement(elastic: float, words: list[tuple[int, ...]], down: float, across: float) -> tuple[float, float]:
    """Return the elastic displacement at a place, whose coordinates go from 0 to 1 over the picture."""
    found = [0.0, 0.0]
    for row in range(CONTROLS):
        for column in range(CONTROLS):
            share = cubic(down * CELLS - row + 1) * cubic(across * CELLS - column + 1)
            word, counter = divmod(row * CONTROLS + column, COUNTERS)
            for axis in (0, 1):
                found[axis] += share * elastic * sqrt(3) / SQUARES * _uniform(words[FIRST + counter][2 * axis + word])
    return found[0], found[1]


def cubic(t: float) -> float:
    """Return the cubic B-spline around 0."""
    t = abs(t)
    if t < 1:
        return 2 / 3 - t**2 + t**3 / 2
    return (2 - t) ** 3 / 6 if t < 2 else 0.0


def interpolated(image: Array, y: float, x: float) -> float:
    """Return the value of a picture (H, W) between its pixels; it is 0 outside."""
    total, top, left = 0.0, floor(y), floor(x)
    for i, row_share in ((top, 1 - (y - top)), (top + 1, y - top)):
        for j, share in ((left, 1 - (x - left)), (left + 1, x - left)):
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                total += row_share * share * float(image[i, j])
    return total


def _uniform(word: int) -> float:
    return (2 * word + 1) / 2**32 - 1
