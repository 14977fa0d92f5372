"""Measure the work on the device of this process: a GPU, or, to try the script, the simulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

import kernels
from benchmarks.gpu.targets import BATCH, EPOCH_SAMPLES, Work, work
from kernels.memory.devices import get_device
from workbench.network import presets
from workbench.network.executor import EXECUTORS, ON_DEVICE
from workbench.network.executor.protocol import StepSettings
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters, build
from workbench.predicting.gpus import Gpu

Row = dict[str, Any]

REPETITIONS, CALLS = 15, 2000
"""Of a kernel, whose median counts; of a public call."""


def kernels_of(gpu: Gpu | None, *, small: bool) -> Iterator[Row]:
    """Yield a row for each call of the work: its median time, and, on a GPU whose limits are known, its share of them."""
    device = get_device("cuda")
    for each in work(small=small):
        call = each.call(device.from_host)
        call()  # compiles
        device.synchronize()
        ms = median(device.time(call) for _ in range(REPETITIONS))
        yield _row(each, ms, gpu)


def _row(each: Work, ms: float, gpu: Gpu | None) -> Row:
    share = None if gpu is None else each.share(ms, gpu)
    names = {"key": each.key, "op": each.op, "case": each.case.name, "outputs": list(each.outputs)}
    return {**names, "implementation": each.implementation.name, "ms": ms, "share": share}


def launch_us(*, small: bool) -> float:
    """Return the time of a public call on device arrays, Python and driver, without waiting for it."""
    x = kernels.to_device(np.ones((4, 4), np.float32))
    y = kernels.relu(x)
    calls = 5 if small else CALLS
    kernels.relu(x, out=y)
    get_device("cuda").synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        kernels.relu(x, out=y)
    spent = time.perf_counter() - start
    get_device("cuda").synchronize()
    return spent / calls * 1e6


def epochs(*, small: bool) -> Iterator[tuple[str, float]]:
    """Yield the milliseconds of an epoch of LeNet-5 by each executor of a device; its images are random ones."""
    samples, batch, spec, shape = EPOCH_SAMPLES, BATCH, "lenet5", (1, 28, 28)
    text = presets.layer_spec(spec, 10)
    if small:
        samples, batch, text, shape = 10, 4, "conv 2 3x3 | relu | maxpool 2 | dense 10", (1, 8, 8)
    network, rng = build(text, shape, 10), np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (samples, *shape)).astype(np.uint8), rng.integers(0, 10, samples)
    for name in ON_DEVICE:
        parameters = Parameters.initial(network, np.random.default_rng(0))
        optimizer = Optimizer(parameters.flat.size, 0.05, momentum=0.9)
        executor = EXECUTORS[name](network, parameters, "cuda")

        def epoch(executor: Any = executor, optimizer: Optimizer = optimizer) -> None:
            order = rng.permutation(samples)
            list(executor.steps(images, labels, order, batch, optimizer, StepSettings()))

        yield name, _best(epoch) * 1e3


def _best(call: Callable[[], None]) -> float:
    """Return the shortest of three times, s, after one call that compiles."""
    call()
    found = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)
