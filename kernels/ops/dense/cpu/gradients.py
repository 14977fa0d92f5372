"""The gradients of dense: products with w and x in place, with features in the SIMD lanes.

dx comes first: a unit of work is a panel of features by a block of samples. Then dw and db: a unit is some panels of
features by a block of outputs. The panels of x are packed together with dx.
"""

from typing import Any

from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline, cpu_kernel
from kernels.ops.dense.cpu.matrix import Matrix, divided, multiply, pack, panel_width
from kernels.simd.product import aligned
from kernels.simd.tile import COLUMNS, ROWS, add, lanes, load_first, steps, store_first, zeros

Array = NDArray[Any]

DEPTH = 256
"""Terms of a sum that are added at a time: that many rows of a panel stay in the L2 cache, or even in L1."""

SAMPLES = 128
"""The largest number of samples in a unit of dx."""

OUTPUTS = 8 * ROWS
"""Outputs in a unit of dw."""

FEW = 16
"""DEPTH for fewer samples than a tile has rows: w is then read only once, in place, row by row."""

GROUP = 4
"""Panels in a unit of dx for few samples."""

UNITS = 32
"""The number of units of dw to distribute to the threads; only beyond it do units get several panels."""


@cpu_inline
def _compute_dx(
    dy: Array,
    outputs: int,
    w: Array,
    features: int,
    sample: int,
    samples: int,
    first: int,
    end: int,
    depth: int,
    dx: Array,
) -> None:
    """Compute the features [first, end) of some samples, ``depth`` terms at a time."""
    width = COLUMNS * lanes(dx)
    panel = aligned(depth * width, dx)
    for m in range(0, outputs, depth):
        for k in range(first, end, width):
            multiply(
                Matrix(dy, sample * outputs + m, outputs, 1),
                samples,
                Matrix(w, m * features + k, features, 1),
                min(depth, outputs - m),
                Matrix(dx, sample * features + k, features, 1),
                min(width, end - k),
                m > 0,
                panel,
            )


@cpu_inline
def _compute_dw(
    dy: Array,
    batch: int,
    outputs: int,
    panels: Array,
    features: int,
    output: int,
    count: int,
    first: int,
    end: int,
    dw: Array,
) -> None:
    """Compute the features [first, end) of ``count`` outputs."""
    width = COLUMNS * lanes(dw)
    for n in range(0, max(batch, 1), DEPTH):  # without samples, one iteration writes zeros
        for k in range(first, end, width):
            pitch = panel_width(min(width, end - k), dw)
            multiply(
                Matrix(dy, n * outputs + output, 1, outputs),
                count,
                Matrix(panels, k * batch + n * pitch, pitch, 1),
                min(DEPTH, batch - n),
                Matrix(dw, output * features + k, features, 1),
                min(width, end - k),
                n > 0,
                dy[:0],
            )


@cpu_core
def _compute_db(dy: Array, batch: int, outputs: int, first: int, end: int, db: Array) -> None:
    """Add the rows of dy in columns [first, end)."""
    here, size = steps(1, 0, 0), lanes(db)
    for m in range(first, end, size):
        total = zeros(here, here, db)
        for n in range(batch):
            total = add(total, load_first(dy, steps(1, n * outputs + m, 0), here, end - m))
        store_first(total, db, steps(1, m, 0), here, end - m)


SMALL = 1 << 20
"""Multiply-adds of either product below which one thread is as fast: one took 40 us, two took 43, on two cores."""


@cpu_kernel(small=lambda _dy, batch, outputs, _x, _w, features, *_: batch * features * outputs < SMALL)
def _backward(
    dy: Array, batch: int, outputs: int, x: Array, w: Array, features: int, dx: Array, dw: Array, db: Array
) -> None:
    """Compute dx, dw and db; see the module docstring. Arrays are flat."""
    width = COLUMNS * lanes(dx)
    count = (features + width - 1) // width
    panels = aligned(count * width * batch, dx)
    few = batch < ROWS
    blocks, own, depth = (batch + SAMPLES - 1) // SAMPLES, GROUP if few else 1, FEW if few else min(DEPTH, outputs)
    groups = (count + own - 1) // own
    for unit in prange(blocks * groups):
        block, group = divided(unit, groups)
        sample, first = block * SAMPLES, group * own * width
        samples, end = min(SAMPLES, batch - sample), min(first + own * width, features)
        _compute_dx(dy, outputs, w, features, sample, samples, first, end, depth, dx)
        for k in range(first, end, width):
            columns = min(width, end - k)
            place = k * batch + sample * panel_width(columns, dx)
            pack(Matrix(x, sample * features + k, features, 1), samples, columns, panels, place)
    parts = (outputs + OUTPUTS - 1) // OUTPUTS
    own = min(max(parts * count // UNITS, 1), count)
    groups = (count + own - 1) // own
    for unit in prange(parts * groups):
        block, group = divided(unit, groups)
        output, first = block * OUTPUTS, group * own * width
        last, end = min(output + OUTPUTS, outputs), min(first + own * width, features)
        _compute_dw(dy, batch, outputs, panels, features, output, last - output, first, end, dw)
        if first == 0:
            _compute_db(dy, batch, outputs, output, last, db)


def dense_backward_cpu(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    """Compute dx from panels of w and dy, then dw from panels of x and dy."""
    _backward(
        dy.reshape(-1),
        dy.shape[0],
        dy.shape[1],
        x.reshape(-1),
        w.reshape(-1),
        w.shape[1],
        dx.reshape(-1),
        dw.reshape(-1),
        db,
    )
