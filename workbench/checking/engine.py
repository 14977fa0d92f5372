"""The search for a failing case: hypothesis draws, a runner judges, the smallest failure is kept."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import Literal, Protocol

import numpy as np
from hypothesis import given, seed
from hypothesis.errors import Flaky, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from kernels import OPS
from kernels.declare.op import accepts_everything
from workbench.checking.calls import Mode
from workbench.checking.confirming import confirmed
from workbench.checking.drawing import from_the_seed_alone
from workbench.checking.reach import reach
from workbench.checking.results import CheckResult, Counterexample, Fault, Verdict
from workbench.checking.state import after_nonfinite
from workbench.checking.subject import Subject
from workbench.oracle.spot import LARGE_BYTES, enlarged
from workbench.sampling import LAYOUTS, Case, cases
from workbench.sampling.drawing_settings import drawing
from workbench.sampling.layouts import CONTIGUOUS, DEVICE_LAYOUTS, SWAPS, kind_of
from workbench.sampling.strategies import large_together
from workbench.sampling.values import LARGEST
from workbench.system.errors import InputError
from workbench.system.machine import memory_bytes

Pass = Literal["large", "bounds", "watch"]
"""What follows a search without findings: arrays with many elements, and the other modes."""

COMPILED = 257
"""The largest axis of a case of compiled kernels."""

MANY_ELEMENTS = 2
"""The number of cases for each pair of axes that are large together. The first is the smallest, so that it is always run."""

WATCHED = 33
"""The largest axis of a case with watched accesses, which take some microseconds each."""

SURVEYED, SURVEY_SECONDS = 60, 60.0
"""The most cases that are run after a failure, to see how far it reaches, and the time after which none is started."""

SHRINK_SECONDS = 20.0
"""The time for shrinking a failing case; a kernel that crashes or hangs needs a new process for every attempt."""

EXTRA: dict[Mode, int] = {"bounds": 25, "watch": 15}
"""The number of cases of the passes that follow a search without findings."""

NOT_JUDGED = "NaN and infinities not judged: fastmath assumes that there are none"
"""The reason of a pass that says less than another."""

UNSHOWN = ("does not", "returns", "raises")
"""The beginnings of reasons to which a run of the body in plain Python would add nothing."""


HUGE_COPIES = 3
"""The memory that a huge case takes, in its process and in the judge's, as a multiple of the bytes of its arrays."""


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
    too_slow: bool = False
    where: tuple[int, str, Case | None] = (0, "", None)
    seen: list[Case] = dataclasses.field(default_factory=list)
    wrong: list[Case] = dataclasses.field(default_factory=list)
    right: list[Case] = dataclasses.field(default_factory=list)
    is_final: bool = False
    huge: str = ""
    error: InputError | None = None


def check(
    subject: Subject,
    runner: Runner,
    *,
    dtype: str,
    examples: int,
    seed_value: int = 0,
    on_example: Callable[[int], None] = lambda _count: None,
    shrink: bool = True,
    passes: tuple[Pass, ...] = (),
    largest: int | None = None,
    huge: bool = False,
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
    shrink : whether a failing case is shrunk, and others are run to see how far the fault reaches
    passes : the passes that follow, on fewer cases, if nothing was found
    largest : the largest axis of a case; None: what the device can run
    huge : whether a call on arrays of more than 2**31 bytes follows
    restart : ends the process of the kernel, so that the next run is in a new one; None: it is this process
    """
    if subject.only.dtypes and dtype not in subject.only.dtypes:
        return _left_out(subject, dtype)
    found = _Found()
    if largest is None:
        slow = subject.command_device.runs_bodies or subject.command_device.is_simulated
        largest = LARGEST if slow else COMPILED
    search = _Search(subject=subject, runner=runner, found=found, dtype=dtype, shrink=shrink)
    search.run("run", examples, seed_value, largest=largest, on_example=on_example)
    search.repeat_after_nonfinite()
    for each in passes:
        if each == "large":
            for pair in large_together(OPS[subject.implementation.op], subject.only):
                search.run("run", min(MANY_ELEMENTS, examples), seed_value + 1, largest=largest, stressed=pair)
        else:
            most = min(largest, WATCHED) if each == "watch" else largest
            search.run(each, min(EXTRA[each], examples), seed_value + 1, largest=most)
    if huge:
        search.run_huge(seed_value)
    shown = None if found.failure is None or found.failed_in == "huge" else _shown(runner, found.failure, passes)
    repeats = shown is not None and shown.reason.startswith("race:")  # in every run, the wrong numbers in some
    if found.failure is not None and restart is not None and not (found.failure[1].crash or repeats):
        before = [case for case in found.seen if case != found.failure[0]]
        found.failure = confirmed(runner.run, restart, found.failure, found.failed_in, before)
    if found.failure is not None and shrink and not found.is_final:
        search.survey(min(examples, SURVEYED), seed_value + 2, largest=largest)
    if found.failure is not None:
        found.failure = _explained(found.failure, shown)
    return _result(subject, dtype, found)


def watch(subject: Subject, runner: Runner, *, dtype: str) -> Fault | None:
    """Run only the pass of watched accesses on generated cases; return the first fault."""
    found = _Found()
    search = _Search(subject=subject, runner=runner, found=found, dtype=dtype, shrink=False)
    search.run("watch", EXTRA["watch"], seed_value=0, largest=WATCHED)
    return None if found.failure is None else found.failure[1]


def check_case(subject: Subject, runner: Runner, case: Case, passes: tuple[Pass, ...] = ()) -> CheckResult:
    """Check a kernel on one case."""
    found = _Found()
    if subject.implementation.accepts(case.shapes, case.options, case.dtype):
        modes: list[Mode] = ["run", *(each for each in passes if each != "large")]
        if is_huge(case):
            modes, passes = ["huge"], ()
        for mode in modes:
            if found.failure is None:
                _look(subject, found, case, runner.run(case, mode), counted=mode in ("run", "huge"))
        if found.failure is not None:
            found.failure = _explained(found.failure, _shown(runner, found.failure, passes))
    return _result(subject, case.dtype, found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Search:
    """Searches for a failing case, and keeps what it learns in ``found``."""

    subject: Subject
    runner: Runner
    found: _Found
    dtype: str
    shrink: bool

    def run(
        self,
        mode: Mode,
        examples: int,
        seed_value: int,
        *,
        largest: int,
        stressed: tuple[str, str] | None = None,
        on_example: Callable[[int], None] | None = None,
    ) -> None:
        """Draw cases and run them; nothing if there is a failure already. Only a first search counts its examples.

        Parameters
        ----------
        mode : how the kernel is run
        examples, seed_value, on_example : as for ``check``; on_example is None unless this is the first search
        largest, stressed : as for ``cases``
        """
        found = self.found
        if found.failure is not None or found.unaccepted or (stressed and found.too_slow):
            return

        @seed(seed_value)
        @drawing(examples, shrinks=self.shrink)
        @given(self.cases(largest, layouts=self.layouts() if mode == "run" else (CONTIGUOUS,), stressed=stressed))
        def holds(case: Case) -> None:
            before = found.failure
            self.look_at(case, mode, counted=on_example is not None, stressed=stressed is not None)
            if on_example is not None and before is None:
                on_example(found.count)
            if found.failure is not before:
                raise _Falsified

        try:
            with from_the_seed_alone():
                holds()
        except (_Falsified, Flaky):
            assert found.failure is not None
        except Unsatisfiable:
            pass  # the restriction leaves no case, or none with large axes
        if found.error is not None:
            raise found.error

    def run_huge(self, seed_value: int) -> None:
        """Run a case that was right with arrays of more than 2**31 bytes, if this is cheap to judge and fits into memory."""
        found, subject = self.found, self.subject
        op = OPS[subject.implementation.op]
        if found.failure is not None or found.unaccepted:
            return
        larger = [case for each in found.right if (case := huge_case(each, seed_value)) is not None]
        larger = [case for case in larger if subject.implementation.accepts(case.shapes, case.options, case.dtype)]
        beyond = f"arrays of more than {LARGE_BYTES:,} bytes"
        if not larger:
            found.huge = f"not judged on {beyond}: it takes none, or its results cannot be judged in part"
            return
        case = min(larger, key=lambda each: op.flops(each.shapes, each.options))
        needed = HUGE_COPIES * op.moved_bytes(case.shapes, case.options, np.dtype(case.dtype).itemsize)
        if needed > memory_bytes():
            there = f"this machine has {memory_bytes() / 2**30:.0f}"
            found.huge = f"not judged on {beyond}: this takes {needed / 2**30:.0f} GiB of memory, {there}"
            return
        verdict = self.runner.run(case, "huge")
        if verdict.fault is not None:
            found.failure, found.failed_in = (case, verdict.fault), "huge"
        elif verdict.lacks:
            found.huge = f"not judged on {beyond}: {verdict.lacks}"
        else:
            shapes = ", ".join(f"{name} {shape}" for name, shape in case.shapes.items())
            found.huge = f"right on {beyond} ({shapes}), at the elements that were judged"

    def repeat_after_nonfinite(self) -> None:
        """Repeat the largest case that was right after small ones with a NaN or an infinity at their beginning."""
        found = self.found
        for case in after_nonfinite(found.right):
            if found.failure is None:
                self.look_at(case, "run", counted=False, stressed=False)

    def survey(self, examples: int, seed_value: int, *, largest: int) -> None:
        """After a failure in the numbers, run other cases to see which are wrong too; what was found stays.

        They have layouts that the kernel has been compiled for, so that it is not compiled for a report.
        """
        found = self.found
        assert found.failure is not None
        reason = found.failure[1].reason
        if found.failure[1].index is None and not reason.startswith("raises"):
            return
        started, ended = time.monotonic(), False
        kinds = {CONTIGUOUS, *(kind_of(case.layout) for case in found.seen)}
        known = tuple(layout for layout in self.layouts() if kind_of(layout) in kinds)

        @seed(seed_value)
        @drawing(examples)
        @given(self.cases(largest, layouts=known))
        def look(case: Case) -> None:
            nonlocal ended
            ended = ended or time.monotonic() - started > SURVEY_SECONDS
            if ended:
                return
            verdict = self.runner.run(case)
            ended = verdict.fault is not None and (verdict.fault.crash or verdict.fault.reason.startswith(UNSHOWN[:1]))
            if not (ended or verdict.refused or verdict.lacks):
                (found.right if verdict.fault is None else found.wrong).append(case)
            if verdict.fault is not None and verdict.wrong > found.where[0]:
                found.where = verdict.wrong, verdict.fault.where, case

        with from_the_seed_alone(), suppress(Unsatisfiable):
            look()

    def layouts(self) -> tuple[str, ...]:
        """Return the layouts that arrays of the kernel can have."""
        return LAYOUTS if self.subject.implementation.device == "cpu" else DEVICE_LAYOUTS

    def cases(
        self, largest: int, *, layouts: tuple[str, ...], stressed: tuple[str, str] | None = None
    ) -> SearchStrategy[Case]:
        """Return the strategy of the cases that the kernel accepts."""
        subject, accepts = self.subject, self.subject.implementation.accepts
        drawn = cases(
            OPS[subject.implementation.op],
            self.dtype,
            layouts=layouts,
            largest=largest,
            fixed=subject.fixed,
            stressed=stressed,
            only=subject.only,
        )
        if accepts is accepts_everything:
            return drawn
        return drawn.filter(lambda case: accepts(case.shapes, case.options, case.dtype))

    def look_at(self, case: Case, mode: Mode, *, counted: bool, stressed: bool) -> None:
        """Run one case and update the state."""
        found = self.found
        late = found.failure is not None and time.monotonic() - found.failed_at > SHRINK_SECONDS
        if found.unaccepted or found.is_final or found.error or (stressed and found.too_slow) or late:
            return
        if kind_of(case.layout) in found.refused:
            case = dataclasses.replace(case, layout=CONTIGUOUS)
        before = found.failure
        try:
            verdict = self.runner.run(case, mode)
        except InputError as error:  # hypothesis would look for a smaller case that raises it
            found.error = error
            return
        if verdict.fault is not None and verdict.fault.crash and self.runner.run(case, mode).fault is None:
            if before is not None:
                return  # an earlier call did it
            case, verdict = _culprit(self.runner, found.seen, case, verdict.fault)
            found.is_final = True
        if stressed and verdict.fault is not None and verdict.fault.reason.startswith("does not end"):
            found.too_slow = True  # no fault: a naive kernel may take long for so many elements
            return
        found.seen.append(case)
        if verdict.fault is not None:
            found.failed_in = mode
        _look(self.subject, found, case, verdict, counted=counted)


def is_huge(case: Case) -> bool:
    """Return whether an array of a case has more than ``LARGE_BYTES``."""
    shapes = (*case.shapes.values(), *OPS[case.op].output_shapes(case.shapes, case.options))
    return max(map(prod, shapes)) * np.dtype(case.dtype).itemsize > LARGE_BYTES


def huge_case(case: Case, seed_value: int) -> Case | None:
    """Return a case with arrays of more than ``LARGE_BYTES``, of ordinary values; None if it could not be judged in part."""
    shapes = enlarged(OPS[case.op], case.shapes, case.options, np.dtype(case.dtype).itemsize)
    if shapes is None:
        return None
    return dataclasses.replace(case, shapes=shapes, family="normal", seed=seed_value, layout=CONTIGUOUS)


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
        found.refused.add(kind_of(verdict.refused))
    found.warning = found.warning or verdict.warning
    fault = verdict.fault
    if fault is None and counted:
        found.right.append(case)
    numbers = fault is not None and (fault.index is not None or fault.reason.startswith("raises"))
    if numbers and subject.fastmath and case.family == "special" and not OPS[case.op].defines_nan:
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
        found.wrong.append(verdict.case or case)
        found.failure = verdict.case or case, fault  # hypothesis runs the smallest last
        if verdict.wrong > found.where[0]:
            found.where = verdict.wrong, fault.where, found.failure[0]


def _shown(runner: Runner, failure: tuple[Case, Fault], passes: tuple[Pass, ...]) -> Fault | None:
    """Return what a run of the failing case with watched accesses shows: a fault with its line, or None."""
    case, fault = failure
    if "watch" not in passes or fault.reason.startswith(UNSHOWN):
        return None
    return runner.run(case, "watch").fault


def _explained(failure: tuple[Case, Fault], shown: Fault | None) -> tuple[Case, Fault]:
    """Put the cause that the uncompiled body shows before what the compiled kernel did."""
    case, fault = failure
    if shown is None or shown.reason == fault.reason:
        return failure
    return case, dataclasses.replace(fault, reason=f"{shown.reason}; compiled: {fault.reason}", details=shown.details)


def _left_out(subject: Subject, dtype: str) -> CheckResult:
    """Return the result for a precision that a kernel is not for."""
    return CheckResult(
        op=subject.implementation.op,
        implementation=subject.implementation.name,
        device=subject.label,
        dtype=dtype,
        status="skipped",
        reason=f"it is for {', '.join(subject.only.dtypes)} only, as it declares",
    )


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
            reach=reach(case, found.wrong, found.right) if found.right else "",
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
    elif found.given_up:
        reason = NOT_JUDGED
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
        families={name: told for name, told in found.families.items() if not (found.given_up and name == "special")},
    )


def _where(found: _Found, smallest: Case) -> str:
    """Return where the errors are in the failing case that had the most; it is seldom the smallest case."""
    _, where, case = found.where
    return f"{where} (in a larger failing case)" if where and case != smallest else where


def _notes(subject: Subject, found: _Found) -> list[str]:
    """Return what was not judged, and why."""
    notes, implementation = [], subject.implementation
    if subject.only:
        notes.append(f"judged only where {subject.only}, as it declares")
    if subject.fixed:
        notes.append(f"takes no {', '.join(subject.fixed)}: checked at the default")
    if implementation.computes is not None:
        notes.append(f"computes {', '.join(implementation.computes)} alone: nothing else is judged")
    if found.refused:
        refused = dict.fromkeys(
            "swapped" if layout in SWAPS else layout for layout in LAYOUTS if kind_of(layout) in found.refused
        )
        notes.append(f"arrays that are {', '.join(refused)} are not accepted: checked on contiguous ones")
    if found.too_slow:
        notes.append("too slow for arrays of more than 32,767 elements: these were not judged")
    if subject.accumulate is not None:
        notes.append(f"judged as computing in {subject.accumulate}, as it declares")
    if found.lacks and found.count:
        notes.append(f"cases are left out: {found.lacks}")
    notes += [found.huge] if found.huge else []
    notes += subject.notes
    return notes
