"""The random numbers of an augmented picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.augment.strengths import CONTROLS
from kernels.compile.jit import cpu_core
from kernels.compile.philox import WORD, philox

Floats = NDArray[np.float32]

POINTS = CONTROLS * CONTROLS

COUNTERS = 32
"""Counters of the generator for the control points: two of the four words of each make the points of an axis."""

FIRST = 2
"""The first of these counters; those before it are for the transform."""

TRANSFORM = 6
"""The numbers of a transform; see ``draw_transform``."""


@cpu_core
def uniform(word: int) -> float:
    """Return a random word as a number between -1 and 1, neither of which it is."""
    return (2 * word + 1) * 2.0**-32 - 1.0


@cpu_core
def draw_transform(warp: Any, low: int, high: int, position: int, memory: Floats, start: int) -> None:
    """Draw where the pixels of a picture come from: a shift, a rotation, a factor for each axis, a reflection.

    The pixel at (i, j) comes from the centre plus [[t0, t1], [t2, t3]] (i - t4, j - t5), where (t4, t5) is the shifted
    centre.

    Parameters
    ----------
    warp : a ``Warp``
    low, high : the key, two words
    position : of the picture in its batch
    memory, start : the numbers go to memory[start:]
    """
    first, second, third, fourth = philox(0, 0, position & WORD, position >> 32, low, high)
    fifth, sixth, _, _ = philox(1, 0, position & WORD, position >> 32, low, high)
    angle = warp.angle * uniform(first)
    down, across = 1.0 + warp.scale * uniform(second), 1.0 + warp.scale * uniform(third)
    if uniform(sixth) < 2.0 * warp.flip - 1.0:
        across = -across
    memory[start + 0] = math.cos(angle) / down
    memory[start + 1] = math.sin(angle) / down
    memory[start + 2] = -math.sin(angle) / across
    memory[start + 3] = math.cos(angle) / across
    memory[start + 4] = (warp.height - 1) / 2 + warp.shift * uniform(fourth)
    memory[start + 5] = (warp.width - 1) / 2 + warp.shift * uniform(fifth)


@cpu_core
def draw_controls(warp: Any, low: int, high: int, position: int, memory: Floats, start: int) -> None:
    """Draw the displacements of the control points: POINTS along rows, and from 2*COUNTERS on as many along columns."""
    controls, bend = memory[start : start + 4 * COUNTERS], warp.bend
    for k in range(COUNTERS):
        first, second, third, fourth = philox(FIRST + k, 0, position & WORD, position >> 32, low, high)
        controls[k], controls[COUNTERS + k] = bend * uniform(first), bend * uniform(second)
        controls[2 * COUNTERS + k], controls[3 * COUNTERS + k] = bend * uniform(third), bend * uniform(fourth)
