"""``python -m benchmarks.simulator``: the simulator against numba-cuda's own, with and without looking for hazards.

Best of several, after compilation, which is told apart; one launch of numba-cuda's own, which is too slow for more.
"""

from __future__ import annotations

import os

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from numba import cuda, float32

from kernels import OPS
from kernels.memory.devices import get_device
from kernels.ops import IMPLEMENTATIONS
from workbench.sampling import Case, cases
from workbench.sim import simulating, simulator
from workbench.system.compile_watch import watch_compilation
from workbench.system.render import print_table

SIDE, TILE = 64, 16
ELEMENTS, THREADS = 65_536, 128
CASES, LARGEST, REPEATS = 5, 9, 20


@cuda.jit
def matmul(a: Any, b: Any, c: Any) -> None:
    """The tiled product of Numba's documentation."""
    tile_a = cuda.shared.array((TILE, TILE), float32)
    tile_b = cuda.shared.array((TILE, TILE), float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0)
    for i in range(cuda.gridDim.x):
        tile_a[ty, tx] = a[y, tx + i * TILE]
        tile_b[ty, tx] = b[ty + i * TILE, x]
        cuda.syncthreads()
        for j in range(TILE):
            total += tile_a[ty, j] * tile_b[j, tx]
        cuda.syncthreads()
    c[y, x] = total


@cuda.jit
def add(a: Any, b: Any, c: Any) -> None:
    """One thread per element."""
    i = cuda.grid(1)
    if i < c.size:
        c[i] = a[i] + b[i]


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of several, in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def drawn(op: str, count: int) -> list[Case]:
    """Draw small cases of an operation, the same every time."""
    found: list[Case] = []

    @seed(0)
    @settings(
        max_examples=20 * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(OPS[op], "float32", layouts=("contiguous",), largest=LARGEST))
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    sized = [case for case in found if all(min(shape, default=1) > 0 for shape in case.shapes.values())]
    return sorted(sized, key=lambda case: -sum(int(np.prod(shape)) for shape in case.shapes.values()))[:count]


def built_in(implementation: Any) -> Callable[[], None]:
    """Return the work of calling a built-in implementation on its cases."""
    op, device = OPS[implementation.op], get_device("cuda")
    calls = []
    for case in drawn(op.name, CASES):
        inputs = [device.from_host(array) for array in case.arrays().values()]
        shapes = implementation.of_outputs(op.outputs, op.output_shapes(case.shapes, case.options))
        outputs = [device.from_host(np.zeros(shape, np.float32)) for shape in shapes]
        calls.append((*inputs, *op.option_values(case.options), *outputs))

    def work() -> None:
        for arguments in calls:
            implementation.function(*arguments)

    return work


def measure(work: Callable[[], object]) -> tuple[str, ...]:
    """Return the cells of a row: the plain simulator, hazards off and on, their ratio, the speed-up, the compilation."""
    plain = best(work, 1)
    with simulator(seed=2), watch_compilation() as watch:
        with simulating(hazards=False):
            work()
            off = best(work, REPEATS)
        before = watch.total
        work()
        on = best(work, REPEATS)
    return (
        f"{plain:,.0f}",
        f"{off:.1f}",
        f"{on:.1f}",
        f"{on / off:.2f}",
        f"{plain / on:,.0f}",
        f"{watch.total - before:.1f}",
    )


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    a, b, c = (rng.random((SIDE, SIDE)).astype(np.float32) for _ in range(3))
    x, y, z = (rng.random(ELEMENTS).astype(np.float32) for _ in range(3))
    grid = SIDE // TILE
    work: dict[str, Callable[[], object]] = {
        f"matmul {SIDE}^3, tiles of {TILE}": lambda: matmul[(grid, grid), (TILE, TILE)](a, b, c),
        f"add {ELEMENTS:,}": lambda: add[ELEMENTS // THREADS, THREADS](x, y, z),
    }
    for implementation in IMPLEMENTATIONS:
        if implementation.device == "cuda":
            work[f"{implementation.name}, {CASES} cases"] = built_in(implementation)
    columns = ("kernel", "numba-cuda ms", "hazards off ms", "on ms", "on/off", "speed-up with hazards", "compiled in s")
    print_table(columns, [(name, *measure(each)) for name, each in work.items()], right=columns[1:])


if __name__ == "__main__":
    main()
