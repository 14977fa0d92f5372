"""How fast is an implementation? Verified first, then timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kernels import OPS, Implementation
from kernels.devices import Device
from workbench import __version__
from workbench.cases import NamedCase
from workbench.checking import Subject, judge
from workbench.compilation import watch_compilation
from workbench.roofline import Peaks
from workbench.sampling import Case
from workbench.timing import Times, measure


@dataclass(frozen=True, kw_only=True)
class BenchRow:
    """One implementation on one case; the numbers are None where it is wrong, and so was not timed.

    Attributes
    ----------
    version : of the package the implementation is from
    compile_ms : what compiling it took in this run; 0 when its machine code came from the cache
    gflops, gbps : from the case's arithmetic and the bytes it must at least move, at the median
    share_of_peak : the least time that the measured limits allow / the median; None where no limits are measured
    bound_by : the limit that binds: "compute", "memory" or "launch"
    """

    op: str
    case: str
    device: str
    dtype: str
    implementation: str
    version: str
    verified: bool
    compile_ms: float
    reason: str = ""
    median_ms: float | None = None
    p20_ms: float | None = None
    p80_ms: float | None = None
    min_ms: float | None = None
    repeats: int = 0
    gflops: float | None = None
    gbps: float | None = None
    share_of_peak: float | None = None
    bound_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the row as the contract's JSON object."""
        return asdict(self)


def bench(
    case: NamedCase,
    implementation: Implementation,
    device: Device,
    *,
    dtype: str,
    peaks: Peaks | None,
    budget_s: float,
    seed: int = 0,
) -> list[BenchRow]:
    """Verify and time an implementation on a case; on CUDA a second row times it with the copies in and out.

    Parameters
    ----------
    peaks : the measured limits of the device; None leaves the share of the peak out
    budget_s : seconds of timing per row
    seed : of the values
    """
    op = OPS[case.op]
    sample = Case(op=case.op, dtype=dtype, shapes=case.shapes, options=case.options, family="normal", seed=seed)
    inputs = sample.arrays()
    shapes = op.output_shapes(case.shapes, case.options)
    on_device = [device.from_host(array) for array in inputs.values()]
    outputs = [device.from_host(np.full(shape, np.nan, dtype)) for shape in shapes]
    options = op.option_values(case.options)

    def kernel() -> None:
        implementation.function(*on_device, *options, *outputs)

    def with_copies() -> None:
        given = [device.from_host(array) for array in inputs.values()]
        implementation.function(*given, *options, *outputs)
        for output in outputs:
            device.to_host(output)

    with watch_compilation() as watch:  # around nothing else: verifying compiles the reference
        reason = _attempt(kernel, device)
    reason = reason or _fault(case, implementation, device, dtype, seed)
    common: dict[str, Any] = {
        "op": case.op,
        "case": case.name,
        "device": device.name,
        "dtype": dtype,
        "version": __version__,
        "compile_ms": round(watch.total * 1e3, 1),
        "reason": reason,
        "verified": not reason,
    }
    name = implementation.name
    if reason:
        return [BenchRow(implementation=name, **common)]
    works: list[tuple[str, Callable[[], None]]] = [(name, kernel)]
    if device.name != "cpu":
        works.append((f"{name} with copies", with_copies))
    cost = op.cost(case.shapes, case.options, np.dtype(dtype).itemsize)
    rows = []
    for label, work in works:
        times = measure(work, device, budget_s)
        share, bound_by = None, None
        if peaks is not None:
            least, bound_by = peaks.limit(cost.flops, cost.bytes, dtype)
            share = least / times.median
        rows.append(
            BenchRow(
                implementation=label,
                gflops=cost.flops / times.median / 1e6,
                gbps=cost.bytes / times.median / 1e6,
                share_of_peak=share,
                bound_by=bound_by,
                **_fields(times),
                **common,
            )
        )
    return rows


def _fields(times: Times) -> dict[str, Any]:
    return {
        "median_ms": times.median,
        "p20_ms": times.p20,
        "p80_ms": times.p80,
        "min_ms": times.least,
        "repeats": times.repeats,
    }


def _attempt(work: Callable[[], None], device: Device) -> str:
    """Run ``work`` to its end; say what it raised, if anything."""
    try:
        work()
        device.synchronize()
    except Exception as error:
        return f"raises {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    return ""


def _fault(case: NamedCase, implementation: Implementation, device: Device, dtype: str, seed: int) -> str:
    """Run the case as ``workbench check`` does and say what is wrong, judged in every element; empty when right.

    The bound of a long sum grows faster than the sum of random terms, and lets a lost term pass; sums of integers are
    exact, and do not.
    """
    subject = Subject(implementation=implementation, label=device.name)
    for family in ("integers", "normal"):
        sample = Case(op=case.op, dtype=dtype, shapes=case.shapes, options=case.options, family=family, seed=seed)
        verdict = judge(subject, sample)
        if verdict.unaccepted:
            return f"its signatures do not take {dtype} arrays"
        if verdict.fault is not None:
            return f"{verdict.fault.reason}, on {family} values"
    return ""
