"""Time each instruction of LeNet-5's fused step alone, on data in the second-level cache.

python benchmarks/fused_step.py prints the fastest of many runs on one thread, and the peak of a loop over the same tile.
"""

import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_serial
from kernels.fused import program as instructions
from kernels.fused.interpreter import run_backward, run_forward
from kernels.fused.lanes import LANES
from kernels.fused.program import Block
from kernels.simd.tile import COLUMNS, ROWS, lanes, outer, steps, store, zeros
from workbench.datasets import load
from workbench.network.executor import FusedExecutor
from workbench.network.optimizer import Optimizer
from workbench.network.presets import layer_spec
from workbench.network.spec import Parameters, build

TIMES, RUNS = 40, 200
NAMES = {value: name for name, value in vars(instructions).items() if name.isupper() and isinstance(value, int)}


@cpu_serial
def forward(times: int, program: Any, tables: Any, arena: Any, parameters: Any, block: Any) -> None:
    """Run instructions of a forward pass."""
    for _ in range(times):
        run_forward(program, tables, arena, parameters, Block(*block))


@cpu_serial
def backward(times: int, program: Any, tables: Any, arena: Any, parameters: Any, block: Any, gradients: Any) -> None:
    """Run instructions of a backward pass."""
    for _ in range(times):
        run_backward(program, tables, arena, parameters, gradients, Block(*block))


@cpu_serial
def multiply_adds(times: int, memory: NDArray[np.float32]) -> None:
    """Run the loop that measures the peak."""
    size = lanes(memory)
    columns = steps(COLUMNS, 0, size)
    sums = zeros(steps(ROWS, 0, 1), columns, memory)
    for _ in range(times):
        sums = outer(sums, memory, steps(ROWS, 0, 1), 0, memory, columns, 0)
    store(sums, memory, steps(ROWS, 0, COLUMNS * size), columns)


def fastest(work: Callable[[], None], times: int) -> float:
    """Return the microseconds per repetition, ``times`` per run, in the fastest of many runs."""
    work()
    found = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found) / times * 1e6


def main() -> None:
    """Measure and print the results."""
    numba.set_num_threads(1)
    network = build(layer_spec("lenet5", 10), (1, 28, 28), 10)
    parameters = Parameters.initial(network, np.random.default_rng(0))
    executor, data = FusedExecutor(network, parameters), load("mnist")
    optimizer = Optimizer(parameters.flat.size, 0.05, momentum=0.9)
    list(executor.steps(data.train_images, data.train_labels, np.arange(640), 64, optimizer))
    trained, slot = executor._training, executor._slots[0]
    arena, tables = trained.arenas[0], trained.program.tables
    block = tuple(Block(0, LANES, LANES, trained.sums, parameters.buffers.flat, 0.0, 0, 0, 0))
    memory = np.zeros(4096, np.float32)
    width = lanes(memory)
    peak = 2 * ROWS * COLUMNS * width / fastest(lambda: multiply_adds(20_000, memory), 20_000) / 1e3
    print(f"peak {peak:.0f} GFLOP/s; a block of {width} samples")
    for program, run, more in (
        (trained.program.forward, forward, ()),
        (trained.program.backward, backward, (slot,)),
    ):
        for number in range(len(program)):
            one = program[number : number + 1].copy()
            us = fastest(
                lambda run=run, one=one, more=more: run(TIMES, one, tables, arena, parameters.flat, block, *more), TIMES
            )
            step = program[number]
            print(f"{NAMES[int(step['op'])]:18s} {int(step['rows']):4d} x {int(step['channels']):4d}  {us:6.1f} us")


if __name__ == "__main__":
    main()
