"""Predict a training step on the device: count its launches in the simulator, compile them, ask the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.predicting.gpus import Gpu
from workbench.predicting.prediction import LAUNCH_MS, Prediction
from workbench.system.elsewhere import call_elsewhere
from workbench.target.command_device import CUDA, SIM

if TYPE_CHECKING:
    from workbench.inspecting.cuda.cuda_record import CudaReport
    from workbench.sim import LaunchCounters

BATCH, CLASSES = 64, 10
SHAPE = (1, 28, 28)

EVERY_BLOCK = 10**9
"""More threads than a launch has: all of its blocks are counted."""

GRID_BARRIER_MS = 0.0014
"""Of a barrier of a grid with a block of 256 threads on each multiprocessor (L. Zhang et al., A study of single and
multi-device synchronization methods in Nvidia GPUs, IPDPS 2020, table IV: 1.4 us on a V100)."""


@dataclass(frozen=True, kw_only=True)
class PredictedStep:
    """A step of the executors ``graph`` and ``persistent``: the launches of the first, and both times, ms."""

    launches: tuple[Prediction, ...]

    @property
    def graph_ms(self) -> float:
        """The time of the launches, one after the other."""
        return sum(each.ms for each in self.launches)

    @property
    def persistent_ms(self) -> float:
        """The time of the same work in one kernel, with a barrier of the grid in the place of a launch."""
        return sum(each.ms - LAUNCH_MS + GRID_BARRIER_MS for each in self.launches)


def predicted_step(gpu: Gpu, spec: str = "lenet5", batch: int = BATCH) -> PredictedStep:
    """Predict a step of training a preset on images like those of MNIST, by sgd with momentum."""
    counted = call_elsewhere(_count, spec, batch, environment=SIM.environment)
    launches = call_elsewhere(_predict, counted, gpu, spec, batch, environment=CUDA.environment)
    return PredictedStep(launches=tuple(launches))


def _take(spec: str, batch: int) -> None:
    """Take a step, launch by launch."""
    from workbench.network import presets
    from workbench.network.executor.on_device import DeviceExecutor
    from workbench.network.optimizer import Optimizer
    from workbench.network.spec import Parameters, build

    rng = np.random.default_rng(0)
    network = build(presets.layer_spec(spec, CLASSES), SHAPE, CLASSES)
    parameters = Parameters.initial(network, rng)
    images, labels = rng.integers(0, 256, (batch, *SHAPE)).astype(np.uint8), rng.integers(0, CLASSES, batch)
    executor = DeviceExecutor(network, parameters, persistent=False)
    optimizer = Optimizer(parameters.flat.size, 0.05, momentum=0.9)
    list(executor.steps(images, labels, np.arange(batch), batch, optimizer))


def _count(spec: str, batch: int) -> list[LaunchCounters]:
    from workbench.sim import counting, simulator

    with simulator(), counting(EVERY_BLOCK) as found:
        _take(spec, batch)
    return list(found)


def _predict(counted: list[LaunchCounters], gpu: Gpu, spec: str, batch: int) -> list[Prediction]:
    return predictions(_take, (spec, batch), counted, gpu)


def predictions(
    function: Callable[..., object], arguments: tuple[Any, ...], counted: Sequence[LaunchCounters], gpu: Gpu
) -> list[Prediction]:
    """Predict the launches of host code that were counted; for a process with the CUDA compiler, which runs nothing."""
    from workbench.predicting.prediction import predict

    reports = {each.kernel: each for each in inspected(function, arguments, [gpu.cc])}
    return [predict(each, reports[each.kernel], gpu) for each in counted]


def step_reports(capabilities: Sequence[tuple[int, int]]) -> list[CudaReport]:
    """Return what the compiler makes of the launches of a step, for compute capabilities."""
    return call_elsewhere(inspected, _take, ("lenet5", BATCH), capabilities, environment=CUDA.environment)


def inspected(
    function: Callable[..., object], arguments: tuple[Any, ...], capabilities: Sequence[tuple[int, int]]
) -> list[CudaReport]:
    """Compile the kernels that host code launches; for a process with the CUDA compiler, which runs nothing."""
    from kernels import Implementation
    from kernels.memory import devices
    from workbench.inspecting.cuda.cuda_inspection import inspect_launches
    from workbench.inspecting.cuda.offline import replaced
    from workbench.inspecting.cuda.recording import record
    from workbench.inspecting.cuda.targets import Launched
    from workbench.inspecting.cuda.toolchain import find_toolchain

    with replaced(devices, cuda_fault=lambda: None):
        recorded, fault = record(function, arguments)
    if fault is not None:
        raise fault
    own = Implementation(op="", device="cuda", algorithm="benchmark", target=function)
    launched = [Launched(implementation=own, case="", launch=each) for each in recorded]
    return list(inspect_launches(launched, "float32", list(capabilities), find_toolchain()))
