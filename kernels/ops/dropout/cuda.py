"""dropout on CUDA: one thread per counter of the generator, whose four words decide on four elements; grid-stride."""

from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch
from kernels.compile.philox import WORD, philox

Array = NDArray[Any]

WIDTH, RUN = 16, 64
"""Neighbours that have the same word of neighbouring counters, and the elements that all four words of these make."""


@cuda_kernel
def _dropout(x: Array, samples: int, least: int, factor: Any, seed: int, y: Array) -> None:
    size = x.size // samples
    counters = (size + RUN - 1) // RUN * WIDTH
    zero = y.dtype.type(0)
    for index in range(cuda.grid(1), samples * counters, cuda.gridsize(1)):
        n = index // counters
        counter = index % counters
        words = philox(counter & WORD, counter >> 32, n & WORD, n >> 32, seed & WORD, seed >> 32)
        first = counter // WIDTH * RUN + counter % WIDTH
        for number in range(4):
            e = first + number * WIDTH
            if e < size:
                y[n * size + e] = x[n * size + e] * factor if words[number] >= least else zero


def _drop(x: Array, p: float, seed: int, y: Array) -> None:
    """Drop elements of x, of any shape."""
    samples = x.shape[0] if x.ndim > 0 else 1
    if x.size:
        counters = (x.size // samples + RUN - 1) // RUN * WIDTH
        least, factor = int(p * 2.0**32), y.dtype.type(1 / (1 - p))
        launch(_dropout, samples * counters, x.reshape(x.size), samples, least, factor, seed, y.reshape(x.size))


def dropout_cuda(x: Array, p: float, seed: int, y: Array) -> None:
    """Compute y."""
    _drop(x, p, seed, y)


def dropout_backward_cuda(dy: Array, p: float, seed: int, dx: Array) -> None:
    """Compute dx: the same elements are dropped."""
    _drop(dy, p, seed, dx)
