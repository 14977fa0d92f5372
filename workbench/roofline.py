"""The limits of this machine's processor, as plain compiled loops reach them on Numba's threads.

LLVM compiles such loops to 256-bit vectors also where the processor has AVX-512; code that asks for 512 bits may then go
beyond the arithmetic limit measured here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.jit import cpu_kernel, cpu_kernel_with_fma

LEVELS = {"16 KiB": 2**14, "1 MiB": 2**20, "8 MiB": 2**23, "256 MiB": 2**28}
"""Bytes per thread that one pass of the bandwidth loop touches: from what stays in a first-level cache to what comes from
memory."""

RUN = 8
"""Multiply-adds on a value between its load and its store."""


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Measured limits: GFLOP/s by dtype, GB/s by bytes touched per thread, and milliseconds to start a parallel loop."""

    threads: int
    gflops: dict[str, float]
    gbps: dict[str, float]
    launch_ms: float

    def limit(self, flops: int, moved: int, dtype: str) -> tuple[float, str]:
        """Give the least milliseconds that this work can take, and which limit says so: compute, memory or launch."""
        level = next((name for name, size in reversed(LEVELS.items()) if size <= moved / self.threads), "16 KiB")
        limits = {
            "compute": flops / self.gflops[dtype] / 1e6,
            "memory": moved / self.gbps[level] / 1e6,
            "launch": self.launch_ms,
        }
        name = max(limits, key=lambda limit: limits[limit])
        return limits[name], name


@cpu_kernel_with_fma
def _multiply_add(values: NDArray[Any], factor: Any, rounds: int) -> None:
    """Every thread works on its row, which stays in its first-level cache: 8 multiply-adds per load and store."""
    for row in prange(values.shape[0]):
        own = values[row]
        for _ in range(rounds):
            for i in range(own.size):
                v = own[i]
                v = v * factor + v
                v = v * factor + v
                v = v * factor + v
                v = v * factor + v
                v = v * factor + v
                v = v * factor + v
                v = v * factor + v
                v = v * factor + v
                own[i] = v


@cpu_kernel
def _add(target: NDArray[Any], source: NDArray[Any], rounds: int) -> None:
    """Every thread works on its row: two loads and a store per element."""
    for row in prange(target.shape[0]):
        own, other = target[row], source[row]
        for _ in range(rounds):
            for i in range(own.size):
                own[i] += other[i]


def measure_peaks() -> Peaks:
    """Measure the limits with the current number of threads; takes about two seconds when compiled."""
    threads = numba.get_num_threads()
    return Peaks(
        threads=threads,
        gflops={dtype: _gflops(threads, np.dtype(dtype)) for dtype in ("float32", "float64")},
        gbps={level: _gbps(threads, size) for level, size in LEVELS.items()},
        launch_ms=_launch_ms(threads),
    )


def _gflops(threads: int, dtype: np.dtype[Any]) -> float:
    values = np.ones((threads, 16_384 // dtype.itemsize), dtype)
    factor = dtype.type(1e-12)
    rounds = 500
    seconds = _best(lambda: _multiply_add(values, factor, rounds), 15)
    return 2 * RUN * values.size * rounds / seconds / 1e9


def _gbps(threads: int, size: int) -> float:
    columns = size // (2 * 8)
    target, source = np.zeros((threads, columns)), np.ones((threads, columns))
    rounds = max(1, 32 * 2**20 // size)
    seconds = _best(lambda: _add(target, source, rounds), 10)
    return 3 * target.nbytes * rounds / seconds / 1e9


def _launch_ms(threads: int) -> float:
    target, source = np.zeros((threads, 1)), np.ones((threads, 1))
    return _best(lambda: _add(target, source, 1), 200) * 1e3


def _best(work: Callable[[], object], repeats: int) -> float:
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
