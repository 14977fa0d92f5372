"""The trial of one mutant: cases are drawn for the implementation that it spoils until one shows the fault."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from kernels.call.registry import implementations
from kernels.declare.op import PRECISIONS, Implementation, accepts_everything
from workbench.checking import InProcess, Mode, Subject, check
from workbench.checking.results import Verdict
from workbench.sampling import Case, values
from workbench.selftest.arranged import arranged, on_the_limit
from workbench.selftest.convolutions import varied
from workbench.selftest.executions import Executions
from workbench.selftest.mutation import Mutant, unit_of
from workbench.selftest.planting import accepts, build
from workbench.selftest.units import FUSED, Unit

LARGEST = 33
"""The largest axis of a case; blocks and registers are small, see ``planting``."""

SELDOM = 8
"""Factor by which more cases are drawn for an implementation that does not accept all of them."""

ORDINARY = 25
"""Cases after which a statement not yet executed is tried with special values too."""

ARRANGED = 2
"""One case in so many is made one in which much occurs at once."""

CALL_SECONDS = 4.0
"""Of the processor's time, after which a call hangs; a right one takes less than a quarter of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """The result of a trial.

    Attributes
    ----------
    reason : the fault that was found; empty if none was
    examples : the number of cases until the fault was found, or of all
    family : the family of values of the case that showed the fault
    executed : whether a case executed the spoiled statement
    """

    reason: str
    examples: int
    family: str = "-"
    executed: bool = True


def attempt(mutant: Mutant, *, dtype: str, examples: int, seed: int) -> Tried:
    """Check the implementation or program that a mutant spoils."""
    executed = Executions()
    try:
        module = build(mutant, executed)
    except Exception as error:
        return Tried(reason=f"raises {type(error).__name__} when it is loaded: {error}", examples=0)
    return check_loaded(unit_of(mutant), module, executed, dtype=dtype, examples=examples, seed=seed)


def check_loaded(unit: Unit, module: Any, executed: Executions, *, dtype: str, examples: int, seed: int) -> Tried:
    """Check the implementation or program in the loaded module of a unit, see ``planting.load``."""
    if unit.op == FUSED:
        found = module.check(unit.algorithm, examples=examples, seed=seed, call=_ending, given_up=executed.is_hopeless)
        return Tried(reason=found.reason, examples=found.examples, executed=bool(executed.count or found.reason))
    right = next(
        each for each in implementations(unit.op) if (each.device, each.algorithm) == (unit.device, unit.algorithm)
    )
    return _checked(right, getattr(module, unit.target[1]), executed, dtype, examples, seed)


def _checked(
    right: Implementation, function: Callable[..., None], executed: Executions, dtype: str, examples: int, seed: int
) -> Tried:
    """Check a function in place of the implementation ``right``, on cases that this accepts."""
    right = dataclasses.replace(right, accepts=accepts(right))
    if right.device == "cpu":
        target, label, largest = _ending_function(function), "python", LARGEST
    else:
        target, label, largest = function, "sim", values.LARGEST
    subject = Subject(
        implementation=dataclasses.replace(right, target=target, views=False),
        label=label,
        accumulate=PRECISIONS.get(right.precision or ""),
    )
    runner = _Runner(subject, executed, examples)
    draws = examples if right.accepts is accepts_everything else SELDOM * examples
    try:
        result = check(subject, runner, dtype=dtype, examples=draws, seed_value=seed, shrink=False, largest=largest)
    except _Enough:
        return Tried(reason="", examples=runner.count, executed=executed.count > 0)
    found = result.counterexample
    return Tried(
        reason=result.reason if found is not None else "",
        examples=min(result.examples, runner.count),
        family=found.family if found is not None and found.index is not None else "-",
        executed=executed.count > 0 or found is not None,
    )


class _Enough(Exception):  # noqa: N818 - no error
    """No more cases are needed."""


class _Runner:
    """Runs a subject on at most ``most`` cases, on fewer if none executes the spoiled statement.

    Every second convolution (``varied``), and on the CPU one in ARRANGED of the other cases (``arranged``), is replaced.
    Some statements, such as those that recompute results that are not finite, are executed for special values only. If
    no ordinary case among the first ``ORDINARY`` executes the statement, every second case has special values.
    """

    def __init__(self, subject: Subject, executed: Executions, most: int) -> None:
        self._subject, self._executed, self._most = subject, executed, most
        self._inner = InProcess(subject)
        self.count = self._executing = 0

    def run(self, case: Case, mode: Mode = "run") -> Verdict:
        """See Runner."""
        if self.count >= self._most or self._executed.is_hopeless(self.count):
            raise _Enough
        self.count += 1
        right = self._subject.implementation
        if self.count % ARRANGED == 0:
            if right.device == "cpu":
                case = arranged(case, self.count // ARRANGED, right.accepts)
            case = on_the_limit(case)
        if self.count // 2 % 2:
            case = varied(case, self.count, right.accepts, on_device=right.device != "cpu")
        if self.count > ORDINARY and self.count % 2 and not self._executing:
            case = dataclasses.replace(case, family="special")
        before = self._executed.count
        verdict = self._inner.run(case, mode)
        if case.family != "special":
            self._executing += self._executed.count > before
        return verdict


class Endless(Exception):  # noqa: N818 - a finding
    """A call does not end in time."""


@contextmanager
def _ending() -> Iterator[None]:
    """Raise Endless if the block, which runs plain Python in the main thread, takes too long."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Endless(f"it does not end within {CALL_SECONDS:g} s")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, CALL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _ending_function(function: Callable[..., None]) -> Callable[..., None]:
    def call(*arguments: Any) -> None:
        with _ending():
            function(*arguments)

    return call
