"""The limits of this machine's processor, and the time that they allow for a case."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from kernels.compile.jit import cpu_serial
from kernels.memory.flush import cache_bytes
from kernels.simd.registers import register_bytes
from workbench.roofline import register_loops

DTYPES = ("float32", "float64")

SECONDS = 0.02
"""Approximate time of one run of a loop."""

LEAST_REPEATS, ALL_SECONDS = 3, 0.15
"""Minimum number of runs, and the time for more. The best run counts: other activity can only make a limit look lower."""

DRAM = "DRAM"

LEAST_DRAM_BYTES = 2**28


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Measured limits of a device.

    Attributes
    ----------
    threads : the number of threads that the limits were measured with
    gflops, gflops_one_core : GFLOP/s by dtype, fused multiply-adds on whole registers, on all threads and on one
    gbps, gbps_one_core : GB/s by level of memory, nearest first
    level_bytes : the capacity of each cache level for all threads together; main memory is not included
    launch_ms : the cost of calling a compiled function
    clock_ghz : while dependent additions run, one per cycle; 0 if it is not measured
    register_bytes : of the widest SIMD register in use
    """

    threads: int
    gflops: dict[str, float]
    gflops_one_core: dict[str, float]
    gbps: dict[str, float]
    gbps_one_core: dict[str, float]
    level_bytes: dict[str, int]
    launch_ms: float
    clock_ghz: float
    register_bytes: int

    def least_ms(self, flops: int, moved: int, dtype: str) -> tuple[float, str]:
        """Return the least milliseconds that this work can take, and the limit that binds: compute, memory or launch."""
        limits = {
            "compute": flops / self.gflops[dtype] / 1e6,
            "memory": self.least_transfer_ms(moved),
            "launch": self.launch_ms,
        }
        name = max(limits, key=lambda limit: limits[limit])
        return limits[name], name

    def least_transfer_ms(self, moved: int) -> float:
        """Return the least milliseconds to move this many bytes, with each level holding as many as it can."""
        left, seconds = moved, 0.0
        for level, speed in self.gbps.items():
            here = min(left, self.level_bytes.get(level, left))
            seconds += here / speed / 1e9
            left -= here
        return seconds * 1e3


def measure_peaks(on_part: Callable[[str], None] = lambda _part: None) -> Peaks:
    """Measure the limits with the current number of threads, which takes about five seconds.

    Parameters
    ----------
    on_part : called with the name of each measurement
    """
    threads = numba.get_num_threads()
    on_part("arithmetic")
    gflops = {dtype: _gflops(threads, dtype) for dtype in DTYPES}
    one = gflops if threads == 1 else {dtype: _gflops(1, dtype) for dtype in DTYPES}
    on_part("the cost of a call")
    launch_ms, clock_ghz = _launch_ms(), _clock_ghz()
    gbps: dict[str, float] = {}
    gbps_one: dict[str, float] = {}
    for level, size in footprints(threads).items():
        on_part(f"the bandwidth of {level}")
        gbps[level] = _gbps(threads, size)
        gbps_one[level] = gbps[level] if threads == 1 else _gbps(1, size)
    for speeds in (gbps, gbps_one):
        _make_falling(speeds)
    return Peaks(
        threads=threads,
        gflops=gflops,
        gflops_one_core=one,
        gbps=gbps,
        gbps_one_core=gbps_one,
        level_bytes=_level_bytes(threads),
        launch_ms=launch_ms,
        clock_ghz=clock_ghz,
        register_bytes=register_bytes(),
    )


def _make_falling(speeds: dict[str, float]) -> None:
    """Make no level slower than a farther one, as noise may suggest: the faster of the two is the limit."""
    best = 0.0
    for level in reversed(speeds):
        best = speeds[level] = max(best, speeds[level])


def footprints(threads: int) -> dict[str, int]:
    """Return, by level, the bytes per thread that a loop covers to measure the level's bandwidth.

    Half the capacity of the level, so that nothing else evicts them; for the last level, which is shared with others, two
    to four times the capacity of the level before; for main memory twice the last level.
    """
    found: dict[str, int] = {}
    before = 0
    caches = cache_bytes() or {1: 2**15, 2: 2**20, 3: 2**23}
    for level, size in sorted(caches.items()):
        half = size // 2 if level < 3 else size // 2 // threads
        found[f"L{level}"] = _whole(max(min(half, 4 * before), 2 * before) if level > 2 else half)
        before = size
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found[DRAM] = _whole(min(max(2 * max(caches.values()), LEAST_DRAM_BYTES), memory // 8) // threads)
    return found


def _whole(size: int) -> int:
    """Round down to whole iterations of the loops."""
    step = register_loops.UNROLL * 64
    return max(size // step, 1) * step


def _level_bytes(threads: int) -> dict[str, int]:
    """Return the capacity of each cache for all threads: the first two levels are per core, the third is shared."""
    caches = cache_bytes() or {1: 2**15, 2: 2**20, 3: 2**23}
    return {f"L{level}": size * threads if level < 3 else size for level, size in sorted(caches.items())}


def _gflops(threads: int, dtype: str) -> float:
    kind = np.dtype(dtype)
    factor, out = kind.type(1e-12), np.zeros(threads, kind)
    lanes = register_bytes() // kind.itemsize

    def run(rounds: int) -> float:
        return _timed(lambda: register_loops.run_multiply_adds(threads, rounds, factor, out))

    rounds, seconds = _best(run)
    return 2 * lanes * register_loops.CHAINS * rounds * threads / seconds / 1e9


def _gbps(threads: int, size: int) -> float:
    """Return the higher bandwidth of reading only, and of reading and writing."""
    lanes = 64 // 8
    buffers = _aligned((threads, size // 8 // lanes * lanes))
    out = np.zeros(threads, np.int64)
    register_loops.run_updates(
        buffers, 1, out
    )  # memory never written is a single page of zeros, which stays in the L1 cache
    best = 0.0
    for work, transfers in ((register_loops.run_reads, 1), (register_loops.run_updates, 2)):

        def run(passes: int, work: Any = work) -> float:
            return _timed(lambda: work(buffers, passes, out))

        passes, seconds = _best(run)
        best = max(best, transfers * buffers.nbytes * passes / seconds / 1e9)
    return best


def _aligned(shape: tuple[int, int]) -> Any:
    """Return an array of int64 zeros that starts, as do its rows, at a cache line."""
    count = shape[0] * shape[1]
    memory = np.zeros(count + 8, np.int64)
    start = -(memory.ctypes.data // 8) % 8
    return memory[start : start + count].reshape(shape)


def _best(run: Callable[[int], float]) -> tuple[int, float]:
    """Find the number of rounds that take about SECONDS; return it and the least time that they take."""
    rounds = 1
    run(rounds)
    while (seconds := run(rounds)) < SECONDS / 2:
        rounds = max(2 * rounds, int(rounds * SECONDS / max(seconds, SECONDS / 1000)))
    repeats = max(LEAST_REPEATS, int(ALL_SECONDS / seconds))
    return rounds, min(run(rounds) for _ in range(repeats))


def _launch_ms() -> float:
    array = np.zeros(1, np.float32)

    def run(calls: int) -> float:
        return _timed(lambda: [register_loops.nothing(array) for _ in range(calls)])

    calls, seconds = _best(run)
    return seconds / calls * 1e3


@cpu_serial
def _additions(rounds: int, start: int) -> int:
    """Run two dependent operations per round, which take one cycle each on every processor."""
    value = start
    for i in range(rounds):
        value = (value + start) ^ i
    return value


def _clock_ghz() -> float:
    rounds, seconds = _best(lambda count: _timed(lambda: _additions(count, 12345)))
    return 2 * rounds / seconds / 1e9


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
