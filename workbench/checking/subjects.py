"""Subjects of the checker, made from implementations and users' kernels."""

from dataclasses import replace
from typing import Any

from kernels import Implementation
from workbench.checking.engine import Mode
from workbench.checking.judging import Subject, judge
from workbench.checking.rebuilding import bounds_checked, uncompiled
from workbench.checking.results import Verdict
from workbench.checking.watched_run import judge_watched
from workbench.numba_internals.compiling import CPUDispatcher
from workbench.sampling import Case
from workbench.target.binding import UserKernel, bind, implementation, python_function
from workbench.target.command_device import DEVICES


def built_in(each: Implementation, label: str) -> Subject:
    """Return the subject for a registered implementation on a device of the command line."""
    if not DEVICES[label].runs_bodies:
        return Subject(implementation=each, label=label)
    return Subject(implementation=replace(each, target=uncompiled(each.function)), label=label, body=each.function)


def users(kernel: UserKernel, label: str) -> Subject:
    """Return the subject for a user's kernel on a device of the command line.

    Raises
    ------
    InputError
        Its parameters do not bind.
    """
    bound, in_python = bind(kernel), DEVICES[label].runs_bodies
    body = kernel.function if has_body(kernel) else None
    options: dict[str, Any] = getattr(kernel.function, "targetoptions", {})
    fastmath = options.get("fastmath", False)
    flags = {"nnan", "ninf", "fast"}
    return Subject(
        implementation=implementation(kernel, uncompiled(body) if in_python and body is not None else None),
        label=label,
        fixed=bound.fixed,
        accumulate=kernel.accumulate,
        fastmath=not in_python and (fastmath is True or _has_flag(fastmath, flags)),
        body=body,
        rebuild=lambda function: implementation(kernel, function),
    )


def has_body(kernel: UserKernel) -> bool:
    """Return whether a kernel's Python body can be run in place of the kernel, on the CPU."""
    return kernel.device == "cpu" and has_python_body(kernel.function)


def has_python_body(function: Any) -> bool:
    """Return whether ``function`` is plain Python or the result of @njit."""
    inner = python_function(function)
    return inner is not None and (inner is function or isinstance(function, CPUDispatcher))


def passes_of(kernel: UserKernel, label: str) -> tuple[Mode, ...]:
    """Return the passes that follow the search for a user's kernel: bounds checks and watching need its Python body."""
    if not has_body(kernel):
        return ()
    return ("watch",) if DEVICES[label].runs_bodies else ("bounds", "watch")


class InProcess:
    """Runs a subject in this process."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._body = None if subject.body is None else uncompiled(subject.body)
        self._bounds: Subject | None = None

    def run(self, case: Case, mode: Mode = "run") -> Verdict:
        """See Runner."""
        if self._subject.command_device.is_simulated:
            return _simulated(self._subject, case)
        if mode == "run":
            return judge(self._subject, case)
        if mode == "watch":
            return judge_watched(self._subject, self._body, case)
        if self._bounds is None:
            self._bounds = self._subject.over(bounds_checked(self._subject.body))
        return _with_bounds(judge(self._bounds, case))


def _simulated(subject: Subject, case: Case) -> Verdict:
    from workbench.sim import simulator

    with simulator():
        return judge(subject, case)


def _with_bounds(verdict: Verdict) -> Verdict:
    """Add to a verdict that the kernel compiled with bounds checks raised the error."""
    fault = verdict.fault
    if fault is None or "IndexError" not in fault.reason:
        return verdict
    return replace(verdict, fault=replace(fault, reason=f"with bounds checks it {fault.reason}"))


def _has_flag(value: Any, flags: set[str]) -> bool:
    return isinstance(value, set | frozenset | list | tuple) and bool(flags & set(value))
