"""A run from the command's words to the document that reports are made of."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from kernels.memory.devices import get_device
from workbench.benching import request as requests
from workbench.benching.bench_run import Settings, session
from workbench.benching.rows import finite
from workbench.cases import BenchCase
from workbench.roofline import Peaks, measure_peaks
from workbench.system.nvml import gpu_state
from workbench.system.process import OnCompile

Document = dict[str, Any]


def measure(
    request: requests.Request,
    dtypes: tuple[str, ...],
    settings: Settings,
    *,
    on_case: Callable[[int, int], None],
    on_compile: OnCompile,
) -> Document:
    """Time what is asked for on one device; give its peaks, controls and rows.

    Parameters
    ----------
    dtypes : precisions that each case is timed in; networks only in float32
    settings : how, and who is told
    on_case : told how many cases are done, and of how many
    on_compile : told what Numba compiles

    Raises
    ------
    InputError
        Something asked for is not there.
    """
    cases, sources = requests.cases(request), requests.sources(request)
    work = [(case, dtype) for case in cases for dtype in (dtypes if isinstance(case, BenchCase) else ("float32",))]
    get_device(request.device)
    peaks = _peaks(request.device, lambda part: settings.on_progress(f"the machine's limits: {part}", 0.0))
    before = gpu_state() if request.device == "cuda" else None
    rows: list[Any] = []
    with session(sources, settings, peaks, on_compile) as running:
        for position, (case, dtype) in enumerate(work):
            on_case(position, len(work))
            rows += [row.to_json() for row in running.rows(case, dtype)]
        absent = running.absent
        controls = [finite(asdict(control)) for control in running.seen]
    after = gpu_state() if request.device == "cuda" else None
    return {
        "gpu_state": None if before is None else {"before": before, "after": after},
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "confidence": settings.confidence,
        "peaks": {request.device: asdict(peaks)},
        "controls": controls,
        "skipped": absent,
        "rows": rows,
    }


def _peaks(device: str, on_part: Callable[[str], None]) -> Peaks:
    if device == "cpu":
        return measure_peaks(on_part)
    from workbench.roofline.gpu import measure_gpu_peaks

    return measure_gpu_peaks(on_part)
