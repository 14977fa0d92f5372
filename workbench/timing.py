"""Timing: warm up, repeat within a budget, give quantiles."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kernels.devices import Device

WARM_UPS = 3
LEAST_REPEATS = 10
MOST_REPEATS = 1000


@dataclass(frozen=True, kw_only=True)
class Times:
    """Milliseconds per call: median, 20th and 80th percentile, least; and the number of calls."""

    median: float
    p20: float
    p80: float
    least: float
    repeats: int


def measure(work: Callable[[], object], device: Device, budget_s: float) -> Times:
    """Time ``work`` on ``device`` until the budget is spent, with at least 10 and at most 1000 calls."""
    for _ in range(WARM_UPS):
        work()
    device.synchronize()
    samples: list[float] = []
    end = time.perf_counter() + budget_s
    while len(samples) < LEAST_REPEATS or (time.perf_counter() < end and len(samples) < MOST_REPEATS):
        samples.append(device.time(work))
    p20, median, p80 = np.percentile(samples, (20, 50, 80))
    return Times(median=float(median), p20=float(p20), p80=float(p80), least=min(samples), repeats=len(samples))
