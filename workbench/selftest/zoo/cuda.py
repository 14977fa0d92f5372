"""Faults in CUDA kernels of several operations, to be run in the simulator."""

import math
from functools import wraps
from typing import Any

import numpy as np

from workbench.selftest.zoo._planting import Array, Kernel, Table, plain

try:
    from numba import cuda
except ImportError:  # numba-cuda is an extra
    cuda = None

INSTALLED = cuda is not None

_ONE = "while i < uint64(x.size):\n        value = x[i]"
_WHOLE_GRIDS = "while i < uint64(-(-x.size // cuda.gridsize(1)) * cuda.gridsize(1)):\n    value = x[i]"
_PRODUCT = "products[cuda.threadIdx.x // 32, k - uint64(n) * uint64(classes)]"
_LAUNCH = "launch_blocks(_row_losses, -(-batch // ROWS), THREADS, *given)"
_LAUNCH_FOR_MEAN = "loss[()] = math.nan\nlaunch_blocks(_row_losses, -(-batch // ROWS), THREADS, *given[:-1], loss)"


def _block_per_row(kernel: Kernel) -> Kernel:
    """Compile a kernel that is launched with a block of eight threads for each row of its first array."""
    compiled: Any = cuda.jit(kernel)

    @wraps(kernel)
    def launch(first: Array, *others: Array) -> None:
        if first.shape[0] > 0:
            compiled[first.shape[0], 8](first, *others)

    return launch


# These two are complete kernels: no built-in kernel that could be edited uses shared memory.


def _softmax_unsynchronised(x: Array, y: Array) -> None:
    sums = cuda.shared.array(8, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    largest = x[n, 0]
    for k in range(1, x.shape[1]):
        if x[n, k] > largest:
            largest = x[n, k]
    sums[lane] = 0
    for k in range(lane, x.shape[1], 8):
        sums[lane] += math.exp(x[n, k] - largest)
    total = 0.0
    for other in range(8):
        total += sums[other]
    for k in range(lane, x.shape[1], 8):
        y[n, k] = math.exp(x[n, k] - largest) / total


def _dense_tiles(x: Array, w: Array, b: Array, y: Array) -> None:
    tile = cuda.shared.array(8, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    for first in range(0, x.shape[1], 8):
        if first + lane < x.shape[1]:
            tile[lane] = x[n, first + lane]
        cuda.syncthreads()
        for m in range(lane, w.shape[0], 8):
            total = b[m] if first == 0 else y[n, m]
            for k in range(first, min(first + 8, x.shape[1])):
                total += tile[k - first] * w[m, k]
            y[n, m] = total


FAULTS: Table = {
    "relu": {
        ("missing guard", "threads beyond the last element read and write too", plain): {_ONE: _WHOLE_GRIDS},
    },
    "relu_backward": {
        ("only the first grid", "the grid does not stride over large arrays", plain): {
            "i += uint64(cuda.gridsize(1))": "i += uint64(x.size)",
            "launch(_backward, x.size": "launch(_backward, 1",
        },
    },
    "softmax": {
        (
            "missing syncthreads",
            "sums of other threads are read before they are there",
            _block_per_row,
        ): _softmax_unsynchronised,
    },
    "dense": {
        ("missing syncthreads", "a tile is overwritten while others still read it", _block_per_row): _dense_tiles,
    },
    "softmax_backward": {
        ("shared memory too small", "sixteen products, whatever the row holds", plain): {
            "total, k = ": "products = cuda.shared.array((4, 16), np.float64)\ntotal, k = ",
            "total += dy[k] * y[k]": f"{_PRODUCT} = dy[k] * y[k]\ntotal += {_PRODUCT}",
        },
    },
    "cross_entropy": {
        ("race: last writer wins", "every block writes its own share of the mean", plain): {
            "losses[n] = loss": "losses[()] = loss / rows",
            _LAUNCH: _LAUNCH_FOR_MEAN,
            "launch_blocks(_mean, 1, THREADS, losses, batch, loss)": "return",
        },
    },
}
