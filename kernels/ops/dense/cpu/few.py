"""dense for few samples, with features in the SIMD lanes: nothing is copied or transposed, and w is read once, in place.

A unit of work is a block of outputs.
"""

from typing import Any

from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline, cpu_kernel
from kernels.ops.dense.cpu.matrix import divided
from kernels.simd.product import aligned
from kernels.simd.tile import COLUMNS, inner, inner_first, lanes, steps, steps_to, store_sums, zeros

Array = NDArray[Any]

OUTPUTS = 32
"""Outputs in a unit of work."""

SAMPLES = 4
"""The largest number of samples in a tile; with five, LLVM runs out of registers, which is a third slower."""


def _micro(count: int) -> Any:
    """Make the products of some samples with the weights of COLUMNS outputs; the last output is repeated to fill a tile."""

    @cpu_core
    def micro(
        x: Array, sample: int, w: Array, b: Array, features: int, output: int, end: int, sums: Array, y: Array
    ) -> None:
        rows = steps(count, sample * features, features)
        columns = steps_to(COLUMNS, output * features, features, (end - 1) * features)
        tile = zeros(rows, columns, y)
        whole = features // lanes(y) * lanes(y)
        for k in range(0, whole, lanes(y)):
            tile = inner(tile, x, rows, k, w, columns, k)
        if whole < features:
            tile = inner_first(tile, x, rows, whole, w, columns, whole, features - whole)
        store_sums(tile, sums, 0)
        for i in range(count):
            for j in range(min(COLUMNS, end - output)):
                y[(sample + i) * b.size + output + j] = b[output + j] + sums[i * COLUMNS + j]

    return micro


_most, _two, _one = (_micro(count) for count in (SAMPLES, 2, 1))


@cpu_inline
def _compute(x: Array, batch: int, w: Array, b: Array, features: int, first: int, end: int, y: Array) -> None:
    """Compute the outputs [first, end) of all samples."""
    sums = aligned(SAMPLES * COLUMNS, y)
    for output in range(first, end, COLUMNS):
        sample = 0
        while sample + SAMPLES <= batch:
            _most(x, sample, w, b, features, output, end, sums, y)
            sample += SAMPLES
        if sample + 2 <= batch:
            _two(x, sample, w, b, features, output, end, sums, y)
            sample += 2
        if sample < batch:
            _one(x, sample, w, b, features, output, end, sums, y)


@cpu_kernel
def _forward(x: Array, batch: int, features: int, w: Array, b: Array, y: Array) -> None:
    """Compute y; see the module docstring. x (N*K), w (M*K) and y (N*M) are flat."""
    for unit in prange((b.size + OUTPUTS - 1) // OUTPUTS):
        first = divided(unit, 1)[0] * OUTPUTS
        _compute(x, batch, w, b, features, first, min(first + OUTPUTS, b.size), y)


def dense_few_cpu(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y, in tiles of some samples by some rows of w."""
    _forward(x.reshape(-1), x.shape[0], x.shape[1], w.reshape(-1), b, y.reshape(-1))
