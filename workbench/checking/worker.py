"""A process of its own for a user's kernels: what crashes or hangs there is a verdict, not the end of the checker."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.checking.results import Fault, Verdict
from workbench.system.errors import InputError
from workbench.system.process import START_SECONDS, Child, NoAnswer, OnCompile

if TYPE_CHECKING:
    from workbench.checking.engine import Mode
    from workbench.sampling import Case


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the worker loads: the arguments of ``loading.load_kernels``, the device of the command line, the simulator's."""

    file: str
    op: str | None
    device: str | None
    accumulate: str | None
    label: str
    simulation: Mapping[str, Any] = field(default_factory=dict)


class Worker:
    """A process that has loaded a user's file and judges cases on its kernels; started anew after a crash.

    Parameters
    ----------
    target : what it loads
    timeout : seconds a case may take, compilation apart
    on_compile : told what Numba compiles
    """

    def __init__(self, target: Target, timeout: float, on_compile: OnCompile) -> None:
        self._target, self._timeout = target, timeout
        self._child = Child(_serve, (target,), on_compile=on_compile)

    def ask(self, kernel: int, mode: Mode, case: Case) -> Verdict:
        """Judge a case on the kernel of that number.

        Raises
        ------
        InputError
            The file cannot be loaded there.
        """
        if not self._child.is_running:
            self._load()
        try:
            verdict: Verdict = self._child.ask((kernel, mode, case), self._timeout)
        except NoAnswer as reason:
            return Verdict(fault=Fault(reason=str(reason), crash=reason.crashed))
        return verdict

    def printed(self) -> str:
        """Return what the file and its kernels printed."""
        return self._child.printed()

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _load(self) -> None:
        try:
            error = self._child.answer(START_SECONDS)
        except NoAnswer as reason:
            raise InputError(f"{self._target.file}: its import {reason}; what runs when it is imported?") from None
        if error:
            raise InputError(error)


class InWorker:
    """Runs one kernel of a worker's file; a ``checking.engine.Runner``."""

    def __init__(self, worker: Worker, kernel: int) -> None:
        self._worker, self._kernel = worker, kernel

    def run(self, case: Case, mode: Mode = "run") -> Verdict:
        """See Runner."""
        return self._worker.ask(self._kernel, mode, case)


def _serve(reply: Callable[[Any], None], receive: Callable[[], Any], target: Target) -> None:
    """Load the file, then answer cases."""
    from workbench.checking.subjects import InProcess, users
    from workbench.sim.host.patching import simulator
    from workbench.target.file import load_file

    with simulator(**target.simulation) if target.label == "sim" else nullcontext():
        try:
            kernels = load_file(target.file, op=target.op, device=target.device, accumulate=target.accumulate).kernels
        except InputError as error:
            reply(str(error))
            return
        reply("")
        runners: dict[int, InProcess] = {}
        while True:
            number, mode, case = receive()
            if number not in runners:
                runners[number] = InProcess(users(kernels[number], target.label))
            verdict = runners[number].run(case, mode)
            sys.stdout.flush()
            reply(verdict)
