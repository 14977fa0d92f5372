"""The predicted times of kernels on a named GPU as rows, and the GPU's limits as those of a machine that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kernels import OPS
from workbench.predicting.counted_targets import Inspected, inspect_counted
from workbench.predicting.gpus import Gpu
from workbench.predicting.prediction import LAUNCH_MS
from workbench.roofline.limits import DRAM, Peaks
from workbench.system.numbers import duration
from workbench.target.resolve import Target

COLUMNS = ("operation", "case", "implementation", "launches", "predicted", "between", "GFLOP/s", "GB/s", "limited by")


def peaks_of(gpu: Gpu) -> Peaks:
    """Return the limits of a GPU, from its figures."""
    per_clock = 2 * gpu.processors * gpu.ghz
    return Peaks(
        threads=0,
        gflops={"float32": per_clock * gpu.processor.float32, "float64": per_clock * gpu.processor.float64},
        gflops_one_core={},
        gbps={"L2": gpu.l2_gbps, DRAM: gpu.memory_share * gpu.memory_gbps},
        gbps_one_core={},
        level_bytes={"L2": gpu.l2_bytes},
        launch_ms=LAUNCH_MS,
        clock_ghz=0.0,
        register_bytes=4,
    )


def predicted_rows(
    targets: Sequence[Target], dtype: str, case: str | None, gpu: Gpu
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row for every case and implementation, and the implementations that have a hazard, which have none.

    Raises
    ------
    InputError
        See ``inspect_counted``.
    """
    found, _ = inspect_counted(targets, dtype, case, None, gpu)
    hazards = [each.counted.implementation for each in found if each.counted.hazard]
    return [_row(each, gpu) for each in found if not each.counted.hazard], list(dict.fromkeys(hazards))


def _row(inspected: Inspected, gpu: Gpu) -> dict[str, Any]:
    counted = inspected.counted
    predictions = [each.prediction for each in inspected.code if each is not None and each.prediction is not None]
    slowest = max(predictions, key=lambda each: each.ms)
    ms = sum(each.ms for each in predictions)
    cost = OPS[counted.op].cost(counted.shapes, counted.options, np.dtype(counted.dtype).itemsize)
    return {
        "op": counted.op,
        "case": counted.case,
        "implementation": counted.implementation,
        "dtype": counted.dtype,
        "gpu": gpu.key,
        "launches": len(predictions),
        "predicted_ms": ms,
        "least_ms": sum(each.least_ms for each in predictions),
        "most_ms": sum(each.most_ms for each in predictions),
        "limited_by": slowest.binds,
        "line": None if slowest.line is None else slowest.line[0][1],
        "gflops": cost.flops / ms / 1e6,
        "gbps": cost.bytes / ms / 1e6,
        "flops_per_byte": cost.flops / cost.bytes if cost.bytes else None,
    }


def cells(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows as text, in the order of COLUMNS."""
    return [
        (
            row["op"],
            row["case"],
            row["implementation"],
            str(row["launches"]),
            duration(row["predicted_ms"]),
            f"{duration(row['least_ms'])} to {duration(row['most_ms'])}",
            f"{row['gflops']:,.3g}",
            f"{row['gbps']:,.3g}",
            row["limited_by"] + ("" if row["line"] is None else f", line {row['line']}"),
        )
        for row in rows
    ]
