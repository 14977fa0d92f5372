"""dense for many samples: x is transposed once, so that samples are in the SIMD lanes, and w is read in place.

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
"""Terms of a sum that are added at a time: that many rows of a panel stay in the L2 cache, or even in L1."""

OUTPUTS = 8 * ROWS
"""Outputs in a unit of work."""


@cpu_inline
def _compute(panel: Matrix, samples: int, w: Matrix, b: Array, first: int, count: int, y: Matrix) -> None:
    """Compute ``count`` outputs from ``first`` on, of the samples in a panel; y begins at the first of these outputs."""
    size, width, features = lanes(y.array), panel.row, w.row
    sums = aligned(count * width, y.array)
    here = steps(1, 0, 0)
    for m in range(count):
        for n in range(0, width, size):
            store(spread(b, steps(1, first + m, 0), here), sums, steps(1, m * width + n, 0), here)
    for k in range(0, features, DEPTH):
        multiply(
            Matrix(w.array, w.first + first * features + k, features, 1),
            count,
            Matrix(panel.array, panel.first + k * width, width, 1),
            min(DEPTH, features - k),
            Matrix(sums, 0, width, 1),
            width,
            k >= 0,  # not the literal True, for which Numba would compile the product again
            w.array[:0],
        )
    turn_back(sums, width, samples, count, y.array, y.first, y.row)


SMALL = 5 << 20
"""Multiply-adds below which one thread is as fast: for 4 million one took 69 us and two took 81, on two cores."""


@cpu_kernel(small=lambda _x, batch, features, _w, _b, outputs, _y: batch * features * outputs < SMALL)
def _forward(x: Array, batch: int, features: int, w: Array, b: Array, outputs: int, y: Array) -> None:
    """Compute y; see the module docstring. All arrays are flat."""
    width = COLUMNS * lanes(y)
    groups = (batch + width - 1) // width
    room = (features + lanes(y)) * width  # of a panel; the transposition writes whole squares
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
        panel = Matrix(panels, group * room, panel_width(samples, y), 1)
        out = Matrix(y, group * width * outputs + first, outputs, 1)
        _compute(panel, samples, Matrix(w, 0, features, 1), b, first, count, out)


def dense_cpu(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y from rows of w and panels of x."""
    _forward(x.reshape(-1), x.shape[0], x.shape[1], w.reshape(-1), b, w.shape[0], y.reshape(-1))
