"""dense for many samples: x is turned over once, so that samples lie in the SIMD lanes, and w is read where it lies.

A unit of work is a panel of samples by a block of outputs.
"""

from typing import Any

from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_kernel
from kernels.ops.dense.cpu.matrix import Matrix, divided, multiply, panel_width
from kernels.simd.product import aligned, turn, turn_back
from kernels.simd.tile import COLUMNS, ROWS, lanes, spread, steps, store

Array = NDArray[Any]

DEPTH = 256
"""Terms of a sum at a time: as many rows of a panel stay in the second-level cache, or even the first."""

OUTPUTS = 8 * ROWS
"""In a unit of work."""


@cpu_inline
def _compute(
    panels: Array,
    place: int,
    samples: int,
    w: Array,
    b: Array,
    features: int,
    first: int,
    count: int,
    y: Array,
    out: int,
    outputs: int,
) -> None:
    """Compute ``count`` outputs from ``first`` on of the samples in the panel at ``place``; y's begin at ``out``."""
    size, width = lanes(y), panel_width(samples, y)
    sums = aligned(count * width, y)
    here = steps(1, 0, 0)
    for m in range(count):
        for n in range(0, width, size):
            store(spread(b, steps(1, first + m, 0), here), sums, steps(1, m * width + n, 0), here)
    for k in range(0, features, DEPTH):
        multiply(
            Matrix(w, first * features + k, features, 1),
            count,
            Matrix(panels, place + k * width, width, 1),
            min(DEPTH, features - k),
            Matrix(sums, 0, width, 1),
            width,
            k >= 0,  # for the literal True Numba would compile the product once more
            w[:0],
        )
    turn_back(sums, width, samples, count, y, out + first, outputs)


SMALL = 5 << 20
"""Multiply-adds under which one thread is as fast: of 4 million it took 69 us, two took 81, on two cores."""


@cpu_kernel(small=lambda _x, batch, features, _w, _b, outputs, _y: batch * features * outputs < SMALL)
def _forward(x: Array, batch: int, features: int, w: Array, b: Array, outputs: int, y: Array) -> None:
    """See the module; all arrays are flat."""
    width = COLUMNS * lanes(y)
    groups = (batch + width - 1) // width
    room = (features + lanes(y)) * width  # of a panel; turning over writes whole squares
    panels = aligned(groups * room, y)
    parts = (features + DEPTH - 1) // DEPTH
    for unit in prange(groups * parts):
        group, part = divided(unit, parts)
        sample, k = group * width, part * DEPTH
        samples = min(width, batch - sample)
        own = panel_width(samples, y)
        turn(x, sample * features + k, features, samples, min(DEPTH, features - k), panels, group * room + k * own, own)
    blocks = (outputs + OUTPUTS - 1) // OUTPUTS
    for unit in prange(groups * blocks):
        group, block = divided(unit, blocks)
        first = block * OUTPUTS
        samples, count = min(width, batch - group * width), min(OUTPUTS, outputs - first)
        out = group * width * outputs
        _compute(panels, group * room, samples, w, b, features, first, count, y, out, outputs)


def dense_cpu(x: Array, w: Array, b: Array, y: Array) -> None:
    """Rows of w times panels of x."""
    _forward(x.reshape(-1), x.shape[0], x.shape[1], w.reshape(-1), b, w.shape[0], y.reshape(-1))
