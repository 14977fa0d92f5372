"""Predict the work for a named GPU, on a machine without one: count it in the simulator, compile it, ask the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gpu.targets import BATCH, EPOCH_SAMPLES, Work, mean_share, work
from benchmarks.gpu_model.training_step import predicted_step, predictions
from workbench.predicting.gpus import Gpu
from workbench.predicting.prediction import LAUNCH_MS
from workbench.sim import LaunchCounters, counting, simulator
from workbench.system.elsewhere import call_elsewhere
from workbench.target.command_device import CUDA, SIM

Row = dict[str, Any]


def predict(gpu: Gpu) -> dict[str, Any]:
    """Predict the targets that can be predicted.

    Returns
    -------
    figures, by the keys of the targets; limits, what they would be if each call were one launch without work and then its
    work at the GPU's peak; rows, one for each call
    """
    rows = call_elsewhere(
        _predicted, call_elsewhere(_counted, environment=SIM.environment), gpu, environment=CUDA.environment
    )
    step = predicted_step(gpu)
    shares, limits = _by_key(rows, "share"), _by_key(rows, "limit")
    figures = {key: mean_share(values) for key, values in shares.items()}
    figures["epoch"] = step.persistent_ms * EPOCH_SAMPLES / BATCH
    return {
        "gpu": gpu.name,
        "figures": figures,
        "limits": {key: mean_share(values) for key, values in limits.items()},
        "rows": rows,
    }


def _by_key(rows: list[Row], what: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["key"], []).append(row[what])
    return found


def _counted() -> list[list[LaunchCounters]]:
    found = []
    with simulator(hazards=False):  # of most grids a few blocks run, and the others write nothing
        from numba import cuda

        for each in work(small=False):
            call = each.call(lambda array: cuda.to_device(np.zeros_like(array)))
            with counting(0) as launches:
                call()
            found.append(list(launches))
    return found


def _predicted(counted: list[list[LaunchCounters]], gpu: Gpu) -> list[Row]:
    return [
        _row(each, predictions(_call, (each,), launches, gpu), gpu)
        for each, launches in zip(work(small=False), counted, strict=True)
    ]


def _call(each: Work) -> None:
    from workbench.inspecting.cuda.recording import on_device

    each.call(lambda array: on_device(np.zeros_like(array)))()


def _row(each: Work, found: list[Any], gpu: Gpu) -> Row:
    ms = sum(one.ms for one in found)
    share = each.share(ms, gpu)
    least = ms * share / 100  # at the peak
    slowest = max(found, key=lambda one: one.ms)
    return {
        "key": each.key,
        "op": each.op,
        "case": each.case.name,
        "outputs": list(each.outputs),
        "implementation": each.implementation.name,
        "launches": len(found),
        "ms": ms,
        "share": share,
        "limit": 100 * least / (least + LAUNCH_MS),
        "limited_by": slowest.binds,
    }
