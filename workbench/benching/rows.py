"""The rows of a report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench.timing.contest import Timed
from workbench.timing.statistics import Interval

MOST_SAMPLES = 200
"""Rounds that a report keeps of each row."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a case asks for: arithmetic operations, bytes that must at least move, the shapes and options themselves."""

    flops: int
    bytes: int
    shapes: dict[str, tuple[int, ...]]
    options: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BenchRow:
    """One contestant on one case; numbers are None where it is wrong, and so was not timed, or where there is none.

    Attributes
    ----------
    version : of the package that the contestant is from
    median_ms, p20_ms, p80_ms, min_ms : of ``repeats`` calls, caches as the call before left them
    ci_low_ms, ci_high_ms : the interval of the median
    cold_ms : the median with the arrays in no cache
    stopped : what ended the timing: narrow intervals ("interval") or the time ("budget")
    compile_ms, cache_load_ms, launch_us, dispatch_us, copy_in_ms, copy_out_ms : see ``split.Split``
    gflops, gbps, flops_per_byte : from the case's arithmetic and the bytes it must at least move, at the median
    share_of_peak : the least time that the measured limits allow / the median; None where no limits are measured
    bound_by : the limit that binds: "compute", "memory" or "launch"
    samples_ms : of rounds, in the order measured
    baseline : what ``ratio`` (the time of this row / the time of that) is to; None for the baseline itself
    ratio_low, ratio_high, verdict : its interval, and "faster", "slower", "tie" or "unsure"
    """

    op: str
    case: str
    device: str
    dtype: str
    implementation: str
    version: str
    verified: bool
    shapes: dict[str, tuple[int, ...]]
    options: dict[str, Any]
    reason: str = ""
    compile_ms: float = 0.0
    cache_load_ms: float | None = None
    launch_us: float | None = None
    dispatch_us: float | None = None
    copy_in_ms: float | None = None
    copy_out_ms: float | None = None
    median_ms: float | None = None
    p20_ms: float | None = None
    p80_ms: float | None = None
    min_ms: float | None = None
    ci_low_ms: float | None = None
    ci_high_ms: float | None = None
    cold_ms: float | None = None
    repeats: int = 0
    stopped: str | None = None
    gflops: float | None = None
    gbps: float | None = None
    flops_per_byte: float | None = None
    share_of_peak: float | None = None
    bound_by: str | None = None
    samples_ms: tuple[float, ...] = ()
    baseline: str | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    verdict: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as the contract's JSON object; what is infinite or not a number is null."""
        return finite(asdict(self))


def timing_fields(timed: Timed, cold: Sequence[float], confidence: float) -> dict[str, Any]:
    """Return the fields of a row that say how long it took."""
    median: Interval = timed.median(confidence)
    step = max(1, -(-len(timed.rounds) // MOST_SAMPLES))
    return {
        "median_ms": median.estimate,
        "p20_ms": timed.quantile(0.2),
        "p80_ms": timed.quantile(0.8),
        "min_ms": min(timed.samples),
        "ci_low_ms": median.low,
        "ci_high_ms": median.high,
        "cold_ms": float(np.median(cold)) if cold else None,
        "repeats": len(timed.samples),
        "samples_ms": tuple(timed.rounds[::step]),
    }


def work_fields(work: Work, median_ms: float) -> dict[str, Any]:
    """Return the fields of a row that follow from the work and the time."""
    return {
        "gflops": work.flops / median_ms / 1e6,
        "gbps": work.bytes / median_ms / 1e6,
        "flops_per_byte": work.flops / work.bytes if work.bytes else None,
    }


def finite(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with null for numbers that JSON does not know: an interval's end that is not known is infinite."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in record.items()
    }
