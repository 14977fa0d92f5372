"""The rows of a benchmark report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from kernels.declare.op import Cost
from workbench.timing.contest import Timed
from workbench.timing.statistics import Interval

MOST_SAMPLES = 200
"""The most rounds of each row that a report keeps."""


Status = Literal["timed", "wrong", "failed", "crashed", "too slow", "out of memory"]
"""What became of a contestant on a case. "wrong": its results are; "failed": it raised an exception; "crashed": its process
ended. "too slow" and "out of memory" say nothing about its results."""

NOT_TIMED: tuple[Status, ...] = get_args(Status)[1:]

AGAINST: tuple[Status, ...] = ("wrong", "failed", "crashed")
"""The verdicts against a contestant."""


@dataclass(frozen=True, kw_only=True)
class BenchRow:
    """One contestant on one case; a number is None if it does not exist, all timings are if it was not timed.

    Attributes
    ----------
    version : the version of the contestant's package
    verified : whether it was right, and timed
    computes : the outputs that it computes; None for all
    status, reason : what became of it, and why it was not timed
    median_ms, p20_ms, p80_ms, min_ms : statistics of ``repeats`` calls with warm caches
    ci_low_ms, ci_high_ms : the interval of the median
    ci_share : the larger side of that interval as a share of the median, the "±" of every report
    cold_ms : the median with the arrays in no cache
    stopped : what ended the timing: narrow intervals ("interval") or the time ("budget")
    compile_ms, cache_load_ms, launch_us, dispatch_us, copy_in_ms, copy_out_ms : see ``call_cost.Split``
    gflops, gbps, flops_per_byte : from the arithmetic and the least number of bytes to move for these outputs, at the
        median; None if the operation does not declare the work for some of its outputs alone
    share_of_peak : the least time that the measured limits allow / the median; None without measured limits
    bound_by : the limit that binds: "compute", "memory" or "launch"
    samples_ms : the times of rounds, in the order measured
    baseline : the contestant by whose time this row's time is divided to get ``ratio``: the first one that computes the
        same outputs; None for that one itself
    ratio_low, ratio_high, verdict : the interval of the ratio, and "faster", "slower", "tie" or "unsure"
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
    computes: tuple[str, ...] | None = None
    status: Status = "timed"
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
    ci_share: float | None = None
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
        """Return the row as a JSON object, in the documented format; infinite numbers and NaN are null."""
        return finite(asdict(self))


def timing_fields(timed: Timed, cold: Sequence[float], confidence: float) -> dict[str, Any]:
    """Return the fields of a row with its times."""
    median: Interval = timed.median(confidence)
    larger_side = max(median.high - median.estimate, median.estimate - median.low)
    step = max(1, -(-len(timed.rounds) // MOST_SAMPLES))
    return {
        "median_ms": median.estimate,
        "p20_ms": timed.quantile(0.2),
        "p80_ms": timed.quantile(0.8),
        "min_ms": min(timed.samples),
        "ci_low_ms": median.low,
        "ci_high_ms": median.high,
        "ci_share": larger_side / median.estimate,
        "cold_ms": float(np.median(cold)) if cold else None,
        "repeats": len(timed.samples),
        "samples_ms": tuple(timed.rounds[::step]),
    }


def work_fields(work: Cost, median_ms: float) -> dict[str, Any]:
    """Return the fields of a row that depend on both the work and the time."""
    return {
        "gflops": work.flops / median_ms / 1e6,
        "gbps": work.bytes / median_ms / 1e6,
        "flops_per_byte": work.flops / work.bytes if work.bytes else None,
    }


def finite(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with None for numbers that JSON cannot represent: an unknown end of an interval is infinite."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in record.items()
    }
