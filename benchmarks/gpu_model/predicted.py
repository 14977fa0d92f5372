"""Predict the kernels of the published series: count their launches in the simulator, compile them, ask the model."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.gpu_model.series import Launch, Row, Series
from kernels import Implementation
from workbench.inspecting.cuda.cuda_inspection import inspect_launches
from workbench.inspecting.cuda.offline import without_driver
from workbench.inspecting.cuda.recording import on_device, record
from workbench.inspecting.cuda.targets import Launched
from workbench.inspecting.cuda.toolchain import find_toolchain
from workbench.predicting.gpus import GPUS
from workbench.predicting.prediction import Prediction, predict
from workbench.sim import LaunchCounters, counting, simulator
from workbench.system.elsewhere import call_elsewhere
from workbench.target.command_device import CUDA, SIM


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A row of a series with the predictions for its fastest launch, one for each part."""

    series: Series
    row: Row
    predictions: tuple[Prediction, ...]

    @property
    def milliseconds(self) -> float:
        """The predicted time."""
        return self.together("ms")

    def together(self, name: str) -> float:
        """Return an attribute of the predictions, a time, for the whole launch."""
        return sum(
            times * float(getattr(each, name))
            for (_, times), each in zip(self.series.parts, self.predictions, strict=True)
        )

    @property
    def factor(self) -> float:
        """The predicted time by the published one."""
        return self.milliseconds / self.series.milliseconds(self.row.published)


def compare(series: Series) -> list[Compared]:
    """Predict every row of a series."""
    counted = call_elsewhere(_count, series, environment=SIM.environment)
    found = call_elsewhere(_predict, series, counted, environment=CUDA.environment)
    return [
        min(
            (Compared(series=series, row=row, predictions=parts) for parts in launches),
            key=lambda each: each.milliseconds,
        )
        for row, launches in zip(series.rows, found, strict=True)
    ]


def _count(series: Series) -> list[list[list[LaunchCounters]]]:
    """Return, by row, launch and part, the counters of the blocks that are recorded of a grid; the others do not run."""
    parts = [[np.zeros(shape, np.float32) for shape in shapes] for shapes, _ in series.parts]
    with simulator():
        module = import_module(f"benchmarks.gpu_model.{series.module}")
        found = []
        for row in series.rows:
            launches = []
            for launch in row.launches:
                with counting(0) as counted:
                    for arrays in parts:
                        start(getattr(module, row.kernel), launch, arrays)
                launches.append(list(counted))
            found.append(launches)
    return found


def start(kernel: Any, launch: Launch, arrays: list[Any]) -> None:
    """Launch a kernel on arrays."""
    grid, block, shared = launch
    kernel[grid, block, 0, shared](*arrays)


def _predict(series: Series, counted: list[list[list[LaunchCounters]]]) -> list[list[tuple[Prediction, ...]]]:
    """Return the predictions, by row, launch and part."""
    gpu, toolchain = GPUS[series.gpu], find_toolchain()
    arrays = [on_device(np.zeros(shape, np.float32)) for shape in series.parts[0][0]]
    with without_driver():
        module = import_module(f"benchmarks.gpu_model.{series.module}")
    found = []
    for row, launches in zip(series.rows, counted, strict=True):
        recorded, fault = record(start, (getattr(module, row.kernel), row.launches[0], arrays))
        if fault is not None:
            raise fault
        own = Implementation(op="", device="cuda", algorithm=row.kernel, target=start)
        launched = Launched(implementation=own, case=series.name, launch=recorded[0])
        (report,) = inspect_launches([launched], "float32", [gpu.cc], toolchain)
        found.append([tuple(predict(part, report, gpu) for part in parts) for parts in launches])
    return found
