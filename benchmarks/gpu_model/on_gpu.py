"""The kernels of the published series on the GPU at hand: what they take, beside what is predicted for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

from benchmarks.gpu_model.predicted import compare, start
from benchmarks.gpu_model.series import Series
from kernels.memory.devices import get_device
from workbench.predicting.gpus import Gpu, gpu_of_device

ROUNDS = 20
"""Launches that are timed, after one that compiles."""


def device() -> tuple[str, Gpu | None]:
    """Return the name of the GPU at hand, and its figures if they are known."""
    from numba import cuda

    found = cuda.get_current_device().name
    name = found.decode() if isinstance(found, bytes) else str(found)
    return name, gpu_of_device(name)


def measure(series: Series, gpu: Gpu | None) -> Iterator[dict[str, Any]]:
    """Return the time of every row of a series, of the fastest of its launches, with the predicted one."""
    predicted: list[float | None] = [None] * len(series.rows)
    if gpu is not None:
        predicted = [each.milliseconds for each in compare(replace(series, gpu=gpu.key))]
    module, at_hand = import_module(f"benchmarks.gpu_model.{series.module}"), get_device("cuda")
    parts = [[at_hand.from_host(np.zeros(shape, np.float32)) for shape in shapes] for shapes, _ in series.parts]
    for row, expected in zip(series.rows, predicted, strict=True):
        kernel = getattr(module, row.kernel)
        times = []
        for launch in row.launches:
            total = 0.0
            for arrays, (_, count) in zip(parts, series.parts, strict=True):
                work = partial(start, kernel, launch, arrays)
                work()
                at_hand.synchronize()
                total += count * median(at_hand.time(work) for _ in range(ROUNDS))
            times.append(total)
        yield {
            "series": series.name,
            "kernel": row.kernel,
            "measured_ms": min(times),
            "predicted_ms": expected,
            "factor": None if expected is None else expected / min(times),
        }
