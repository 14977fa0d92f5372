"""The search for a failing case: hypothesis draws, a runner judges, the smallest failure is kept."""

import dataclasses
import time
from collections.abc import Callable
from typing import Protocol

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from kernels import OPS
from workbench.checking.buffers import DEVICE_LAYOUTS
from workbench.checking.calls import Mode
from workbench.checking.confirming import confirmed
from workbench.checking.drawing import from_the_seed_alone
from workbench.checking.results import CheckResult, Counterexample, Fault, Verdict
from workbench.checking.subject import Subject
from workbench.sampling import LAYOUTS, Case, cases

LARGEST = 129
"""The largest axis of a case."""

WATCHED = 33
"""The largest axis of a case with watched accesses, which take some microseconds each."""

SHRINK_SECONDS = 20.0
"""The time for shrinking a failing case; a kernel that crashes or hangs needs a new process for every attempt."""

EXTRA: dict[Mode, int] = {"bounds": 25, "watch": 15}
"""The number of cases of the passes that follow a search without findings."""

UNSHOWN = ("does not", "returns", "raises")
"""The beginnings of reasons to which a run of the body in plain Python would add nothing."""

STRIDED = ("step", "negative", "transposed")


class Runner(Protocol):
    """Runs a kernel on a case, in this process or in another."""

    def run(self, case: Case, mode: Mode = "run") -> Verdict:
        """Judge one case."""


class _Falsified(Exception):  # noqa: N818 - what hypothesis calls it
    """A case failed; raised inside the property so that hypothesis shrinks it."""


@dataclasses.dataclass
class _Found:
    """The state of a search."""

    count: int = 0
    worst: float = 0.0
    excess: float = 0.0
    families: dict[str, tuple[int, float]] = dataclasses.field(default_factory=dict)
    refused: set[str] = dataclasses.field(default_factory=set)
    given_up: bool = False
    unaccepted: str = ""
    warning: str = ""
    lacks: str = ""
    failure: tuple[Case, Fault] | None = None
    failed_in: Mode = "run"
    failed_at: float = 0.0
    where: tuple[int, str, Case | None] = (0, "", None)
    seen: list[Case] = dataclasses.field(default_factory=list)
    is_final: bool = False


def check(
    subject: Subject,
    runner: Runner,
    *,
    dtype: str,
    examples: int,
    seed_value: int = 0,
    on_example: Callable[[int], None] = lambda _count: None,
    shrink: bool = True,
    passes: tuple[Mode, ...] = (),
    largest: int = LARGEST,
    restart: Callable[[], None] | None = None,
) -> CheckResult:
    """Check a kernel on generated cases.

    Parameters
    ----------
    subject : the kernel
    runner : runs the kernel
    dtype : "float32" or "float64"
    examples : the number of cases
    seed_value : the same seed draws the same cases
    on_example : called with the number of examples after each
    shrink : whether a failing case is shrunk
    passes : the passes that follow, on fewer cases, if nothing was found: "bounds", "watch"
    largest : the largest axis of a case
    restart : ends the process of the kernel, so that the next run is in a new one; None: it is this process
    """
    found = _Found()
    _search(subject, runner, "run", found, dtype, examples, seed_value, on_example, shrink=shrink, largest=largest)
    for mode in passes:
        if found.failure is None and not found.unaccepted:
            extra = min(EXTRA[mode], examples)
            most = min(largest, WATCHED) if mode == "watch" else largest
            _search(
                subject, runner, mode, found, dtype, extra, seed_value + 1, lambda _: None, shrink=shrink, largest=most
            )
    if found.failure is not None and restart is not None and not found.failure[1].crash:  # a crash was repeated at once
        found.failure = confirmed(runner.run, restart, found.failure, found.failed_in, found.seen)
    if found.failure is not None and passes:
        found.failure = _explained(runner, found.failure, passes)
    return _result(subject, dtype, found)


def check_case(subject: Subject, runner: Runner, case: Case, passes: tuple[Mode, ...] = ()) -> CheckResult:
    """Check a kernel on one case."""
    found = _Found()
    if subject.implementation.accepts(case.shapes, case.options, case.dtype):
        for mode in ("run", *passes):
            if found.failure is None:
                _look(subject, found, case, runner.run(case, mode), counted=mode == "run")
        if found.failure is not None and passes:
            found.failure = _explained(runner, found.failure, passes)
    return _result(subject, case.dtype, found)


def _search(
    subject: Subject,
    runner: Runner,
    mode: Mode,
    found: _Found,
    dtype: str,
    examples: int,
    seed_value: int,
    on_example: Callable[[int], None],
    *,
    shrink: bool,
    largest: int,
) -> None:
    layouts: tuple[str, ...] = LAYOUTS if subject.implementation.device == "cpu" else DEVICE_LAYOUTS
    if mode != "run":
        layouts = LAYOUTS[:1]
    drawn = cases(OPS[subject.implementation.op], dtype, layouts=layouts, largest=largest, fixed=subject.fixed)

    @seed(seed_value)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(drawn)
    def holds(case: Case) -> None:
        late = found.failure is not None and time.monotonic() - found.failed_at > SHRINK_SECONDS
        if found.unaccepted or found.is_final or late:
            return
        if not subject.implementation.accepts(case.shapes, case.options, dtype):
            return
        if case.layout in found.refused:
            case = dataclasses.replace(case, layout=LAYOUTS[0])
        before = found.failure
        verdict = runner.run(case, mode)
        if verdict.fault is not None and verdict.fault.crash and runner.run(case, mode).fault is None:
            if before is not None:
                return  # an earlier call did it
            case, verdict = _culprit(runner, found.seen, case, verdict.fault)
            found.is_final = True
        found.seen.append(case)
        if verdict.fault is not None:
            found.failed_in = mode
        _look(subject, found, case, verdict, counted=mode == "run")
        if before is None and mode == "run":
            on_example(found.count)
        if found.failure is not before:
            raise _Falsified

    try:
        with from_the_seed_alone():
            holds()
    except (_Falsified, Flaky):
        assert found.failure is not None


def _culprit(runner: Runner, seen: list[Case], last: Case, crash: Fault) -> tuple[Case, Verdict]:
    """Find the case that caused a crash if the ``last`` one does not crash alone: an earlier one corrupted the memory."""
    for case in seen:
        for mode in EXTRA:
            fault = runner.run(case, mode).fault
            if fault is not None:
                return case, Verdict(
                    fault=dataclasses.replace(fault, reason=f"{fault.reason}; a later call {crash.reason}")
                )
    reason = f"{crash.reason} after {len(seen)} calls, but not by this case alone: an earlier one broke the memory"
    return last, Verdict(fault=dataclasses.replace(crash, reason=reason))


def _look(subject: Subject, found: _Found, case: Case, verdict: Verdict, *, counted: bool) -> None:
    """Update the state with a verdict."""
    if verdict.unaccepted:
        found.unaccepted = verdict.unaccepted
        return
    if verdict.lacks:
        found.lacks = verdict.lacks
        return
    if verdict.refused is not None:
        found.refused |= set(STRIDED) if verdict.refused in STRIDED else {verdict.refused}
    found.warning = found.warning or verdict.warning
    fault = verdict.fault
    numbers = fault is not None and (fault.index is not None or fault.reason.startswith("raises"))
    if numbers and subject.fastmath and case.family == "special":
        found.given_up, fault = True, None
        verdict = dataclasses.replace(verdict, share=0.0)
    found.worst = max(found.worst, verdict.share)
    if found.failure is None:
        if counted:
            found.count += 1
            seen, worst = found.families.get(case.family, (0, 0.0))
            found.families[case.family] = seen + 1, max(worst, verdict.share)
        found.excess = max(found.excess, verdict.excess)
    if fault is not None:
        found.failed_at = found.failed_at or time.monotonic()
        found.failure = verdict.case or case, fault  # hypothesis runs the smallest last
        if verdict.wrong > found.where[0]:
            found.where = verdict.wrong, fault.where, found.failure[0]


def _explained(runner: Runner, failure: tuple[Case, Fault], passes: tuple[Mode, ...]) -> tuple[Case, Fault]:
    """Add the line of the kernel's source, if another run with watched accesses shows one."""
    case, fault = failure
    if "watch" not in passes or fault.reason.startswith(UNSHOWN):
        return failure
    shown = runner.run(case, "watch").fault
    if shown is None or shown.reason == fault.reason:
        return failure
    return case, dataclasses.replace(fault, reason=f"{fault.reason}; uncompiled: {shown.reason}")


def _result(subject: Subject, dtype: str, found: _Found) -> CheckResult:
    implementation, failure = subject.implementation, found.failure
    status, reason, counterexample = "pass", "", None
    if found.unaccepted:
        status, reason = "skipped", f"its signatures do not take {dtype} arrays ({found.unaccepted})"
    elif failure is not None:
        case, fault = failure
        status, reason = "fail", fault.reason
        counterexample = Counterexample(
            shapes=case.shapes,
            options=case.options,
            index=fault.index,
            got=fault.got,
            expected=fault.expected,
            bound=fault.bound,
            replay=case.token,
            family=case.family,
            layout=case.layout,
            where=_where(found, case),
            details=fault.details,
        )
    elif found.count == 0:
        status, reason = "skipped", found.lacks or "it accepts none of the cases"
    elif found.warning:
        status, reason = "warn", found.warning
    elif found.excess > 1:
        status = "warn"
        reason = (
            f"within the bound, but {found.excess:.1f} times above what random rounding errors make likely for sums as long "
            "as these: is something computed in a lower precision?"
        )
    numeric = failure is None or failure[1].index is not None
    return CheckResult(
        op=implementation.op,
        implementation=implementation.name,
        device=subject.label,
        dtype=dtype,
        status=status,
        examples=found.count,
        worst_share_of_bound=found.worst if numeric and found.count else None,
        reason=reason,
        counterexample=counterexample,
        notes=tuple(_notes(subject, found)),
        families=found.families,
    )


def _where(found: _Found, smallest: Case) -> str:
    """Return where the errors are in the failing case that had the most; it is seldom the smallest case."""
    _, where, case = found.where
    return f"{where} (in a larger failing case)" if where and case != smallest else where


def _notes(subject: Subject, found: _Found) -> list[str]:
    """Return what was not judged, and why."""
    notes, implementation = [], subject.implementation
    if subject.fixed:
        notes.append(f"takes no {', '.join(subject.fixed)}: checked at the default")
    if implementation.computes is not None:
        notes.append(f"computes {', '.join(implementation.computes)} alone: nothing else is judged")
    if found.refused:
        refused = [layout for layout in LAYOUTS if layout in found.refused]
        notes.append(f"arrays that are {', '.join(refused)} are not accepted: checked on contiguous ones")
    if found.given_up:
        notes.append("fastmath: the rules for NaN and infinities are given up")
    if subject.accumulate is not None:
        notes.append(f"judged as computing in {subject.accumulate}, as it declares")
    if found.lacks and found.count:
        notes.append(f"cases are left out: {found.lacks}")
    notes += subject.notes
    return notes
