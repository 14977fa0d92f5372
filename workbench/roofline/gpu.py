"""The limits of a GPU: arithmetic, the bandwidth of its L2 cache and of its memory, the cost of a launch."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from kernels.compile.jit import cuda_kernel, current_stream
from kernels.memory.devices import Device, get_device
from workbench.roofline.limits import DRAM, DTYPES, Peaks

CHAINS = 8
"""Independent accumulators per thread, more than the latency (4 cycles) of a multiply-add."""

BLOCK = 256
BLOCKS_PER_PROCESSOR = 32
ROUNDS = 4096
REPEATS = 10

L2_SHARE = 4
"""The bandwidth of the L2 cache is measured over its size divided by this."""

MEMORY_BYTES = 2**30


def measure_gpu_peaks(on_part: Callable[[str], None] = lambda _part: None) -> Peaks:
    """Measure the limits of the current GPU, which takes some seconds."""
    device = get_device("cuda")
    properties = cuda.get_current_device()
    grid = properties.MULTIPROCESSOR_COUNT * BLOCKS_PER_PROCESSOR
    level_two = int(properties.L2_CACHE_SIZE)
    on_part("arithmetic")
    gflops = {dtype: measure_gflops(device, grid, ROUNDS, dtype) for dtype in DTYPES}
    on_part("bandwidth")
    return Peaks(
        threads=0,
        gflops=gflops,
        gflops_one_core={},
        gbps={
            "L2": measure_gbps(device, grid, level_two // L2_SHARE, 20),
            DRAM: measure_gbps(device, grid, max(MEMORY_BYTES, 4 * level_two), 1),
        },
        gbps_one_core={},
        level_bytes={"L2": level_two},
        launch_ms=measure_launch_ms(device),
        clock_ghz=0.0,
        register_bytes=4,
    )


def measure_gflops(device: Device, grid: int, rounds: int, dtype: str) -> float:
    """Return the GFLOP/s of multiply-adds on ``grid`` blocks."""
    kind = np.dtype(dtype)
    out = device.from_host(np.zeros(grid * BLOCK, kind))
    factor = kind.type(1e-12)
    best = _best(device, lambda: _launch(_multiply_adds, grid, rounds, factor, out))
    return 2 * CHAINS * rounds * grid * BLOCK / best / 1e6


def measure_gbps(device: Device, grid: int, size: int, passes: int) -> float:
    """Return the GB/s of repeatedly reading and writing ``size`` bytes."""
    source = device.from_host(np.zeros(size // 8, np.float32))
    target = device.from_host(np.zeros(size // 8, np.float32))
    best = _best(device, lambda: _launch(_copy, grid, source, target, passes))
    return float(2 * source.nbytes * passes / best / 1e6)


def measure_launch_ms(device: Device) -> float:
    """Return the milliseconds between two events around a kernel of one block."""
    out = device.from_host(np.zeros(BLOCK, np.float32))
    return _best(device, lambda: _launch(_multiply_adds, 1, 0, np.float32(0), out))


def _launch(kernel: Any, grid: int, *arguments: Any) -> None:
    kernel[grid, BLOCK, current_stream()](*arguments)


def _best(device: Device, work: Callable[[], object]) -> float:
    work()
    device.synchronize()
    return min(device.time(work) for _ in range(REPEATS))


@cuda_kernel
def _multiply_adds(rounds: int, factor: Any, out: Any) -> None:
    """Run eight independent chains in every thread; writing the sum prevents their elimination."""
    place = cuda.grid(1)
    a = factor * place
    b, c, d, e, f, g, h = a + factor, a - factor, a * a, -a, factor - a, a + a, a - a * a
    for _ in range(rounds):
        a = a * factor + factor
        b = b * factor + factor
        c = c * factor + factor
        d = d * factor + factor
        e = e * factor + factor
        f = f * factor + factor
        g = g * factor + factor
        h = h * factor + factor
    if place < out.size:
        out[place] = a + b + c + d + e + f + g + h


@cuda_kernel
def _copy(source: Any, target: Any, passes: int) -> None:
    """Copy in a grid-stride loop with neighbouring threads at neighbouring elements. In every pass, other blocks read a
    part, so that it comes from the L2 cache rather than from a multiprocessor's own cache.
    """
    for turn in range(passes):
        for i in range(cuda.grid(1), source.size, cuda.gridsize(1)):
            place = (i + turn * 97 * BLOCK) % source.size
            target[place] = source[place]
