"""How strongly pictures are augmented, and what that means for pictures of one size."""

from __future__ import annotations

from math import radians, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.simd.tile import lanes

CELLS = 4
"""The grid of displacements has so many cells down and across a picture."""

CONTROLS = CELLS + 3
"""Its control points along an axis: a cubic B-spline takes two on either side of a cell."""

VECTORS = 2
"""Registers of neighbouring pixels that are resampled together."""

SQUARES = 151 / 315
"""The mean over a cell of the sum of the squared weights of a cubic B-spline."""


class Strengths(NamedTuple):
    """How strongly pictures are augmented; 0 leaves out.

    Attributes
    ----------
    shift : the largest shift along an axis, in pixels
    rotate : the largest angle, in degrees, to either side
    scale : below 1; height and width are multiplied by factors of their own from 1 - scale to 1 + scale
    elastic : the root mean square of the elastic displacement along an axis, in pixels
    flip : the probability of being mirrored, left to right
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0
    flip: float = 0.0


class Warp(NamedTuple):
    """Strengths for pictures of one size, as compiled code reads them.

    Attributes
    ----------
    channels, height, width : of a picture
    shift, angle, scale, bend, flip : the largest values of uniform numbers, as in ``Strengths``; the angle in radians,
        ``bend`` that of the control points
    rows : flat (height, CONTROLS) float32, the weights of the control points at every row of pixels
    columns : flat (CONTROLS, line) float32, those at every column, and zeros up to a whole number of ``VECTORS`` registers
    """

    channels: int
    height: int
    width: int
    shift: float
    angle: float
    scale: float
    bend: float
    flip: float
    rows: NDArray[np.float32]
    columns: NDArray[np.float32]


def warp_of(strengths: Strengths, shape: tuple[int, ...]) -> Warp:
    """Return the strengths for pictures of ``shape`` (C, H, W)."""
    channels, height, width = shape
    step = VECTORS * lanes(np.empty(0, np.float32))
    rows, columns = spline_weights(height), np.zeros((CONTROLS, -(-width // step) * step), np.float32)
    columns[:, :width] = spline_weights(width).T
    return Warp(
        channels,
        height,
        width,
        float(strengths.shift),
        radians(strengths.rotate),
        float(strengths.scale),
        float(strengths.elastic)
        * sqrt(3)
        / SQUARES,  # the standard deviation of a uniform number, and of their mixture
        float(strengths.flip),
        rows.astype(np.float32).reshape(-1),
        columns.reshape(-1),
    )


def spline_weights(size: int) -> NDArray[Any]:
    """Return the weights (size, CONTROLS) of the control points of a cubic B-spline at the pixels along an axis."""
    weights = np.zeros((size, CONTROLS))
    for pixel in range(size):
        cell = (2 * pixel + 1) * CELLS // (2 * size)
        t = (pixel + 0.5) * CELLS / size - cell
        weights[pixel, cell : cell + 4] = (
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        )
    return weights
