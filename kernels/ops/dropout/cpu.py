"""dropout on the CPU: threads take whole runs of 64 elements, whose random words lanes compute side by side."""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.compile.philox import WORD, philox

Array = NDArray[Any]

SMALL = 1 << 18
"""Total bytes of the arrays below which one thread computes: random words take longer than moving the data."""

WIDTH, RUN = 16, 64
"""Neighbours that have the same word of neighbouring counters, and the elements that all four words of these make."""

RUNS = 64
"""The runs that a thread takes at a time: some microseconds."""


@cpu_core
def _draw(run: int, sample: int, low: int, high: int, words: Array) -> None:
    """Compute the words of a run of elements of a sample."""
    for j in range(WIDTH):
        counter = run * WIDTH + j
        first, second, third, fourth = philox(counter & WORD, counter >> 32, sample & WORD, sample >> 32, low, high)
        words[j], words[WIDTH + j], words[2 * WIDTH + j], words[3 * WIDTH + j] = first, second, third, fourth


@cpu_kernel(small=SMALL)
def _drop(x: Array, p: float, seed: int, y: Array) -> None:
    """Drop elements of x, of any shape; threads take ``RUNS`` runs at a time."""
    source, target = x.reshape(x.size), y.reshape(x.size)
    samples = x.shape[0] if x.ndim > 0 else 1
    size = x.size // max(samples, 1)
    runs = (size + RUN - 1) // RUN
    low, high = seed & WORD, seed >> 32
    least = int(p * 2.0**32)
    zero, factor = y.dtype.type(0), y.dtype.type(1 / (1 - p))
    for unit in prange((samples * runs + RUNS - 1) // RUNS):
        words = np.empty(RUN, np.int64)
        for number in range(unit * RUNS, min(unit * RUNS + RUNS, samples * runs)):
            sample, run = number // runs, number % runs
            _draw(run, sample, low, high, words)
            start = sample * size + run * RUN
            end = start + min(size - run * RUN, RUN)
            given, made = source[start:end], target[start:end]  # indices from 0 on need no test of their sign
            for k in range(given.size):
                made[k] = given[k] * factor if words[k] >= least else zero


def dropout_cpu(x: Array, p: float, seed: int, y: Array) -> None:
    """Compute y."""
    _drop(x, p, seed, y)


def dropout_backward_cpu(dy: Array, p: float, seed: int, dx: Array) -> None:
    """Compute dx: the same elements are dropped."""
    _drop(dy, p, seed, dx)
