"""A separate process for a user's kernels: a crash or a hang there is a verdict and does not end the checker."""

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from workbench.checking.engine import Mode
from workbench.checking.results import Fault, Verdict
from workbench.checking.subjects import InProcess, users
from workbench.sampling import Case
from workbench.sim.host.patching import simulator
from workbench.system.errors import InputError
from workbench.system.process import START_SECONDS, Child, NoAnswer, OnCompile
from workbench.target.command_device import CommandDevice
from workbench.target.resolve import Target


class Worker:
    """A process that loads a user's file and judges cases on its kernels; it is restarted after a crash.

    Parameters
    ----------
    target : the file
    device : the device that its kernels run on
    simulation : settings of the simulator
    timeout : seconds a case may take, excluding compilation
    on_compile : called for every function that Numba compiles
    """

    def __init__(
        self,
        target: Target,
        device: CommandDevice,
        simulation: Mapping[str, Any],
        timeout: float,
        on_compile: OnCompile,
    ) -> None:
        self._target, self._timeout = target, timeout
        self._child = Child(_serve, (target, device, simulation), on_compile=on_compile)

    def ask(self, kernel: int, mode: Mode, case: Case) -> Verdict:
        """Judge a case on the kernel with this number.

        Raises
        ------
        InputError
            The process cannot load the file.
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
            raise InputError(f"{self._target.text}: its import {reason}; what runs when it is imported?") from None
        if error:
            raise InputError(error)


class InWorker:
    """Runs one kernel of a worker's file; a ``checking.engine.Runner``."""

    def __init__(self, worker: Worker, kernel: int) -> None:
        self.worker, self._kernel = worker, kernel

    def run(self, case: Case, mode: Mode = "run") -> Verdict:
        """See Runner."""
        return self.worker.ask(self._kernel, mode, case)


def _serve(
    reply: Callable[[Any], None],
    receive: Callable[[], Any],
    target: Target,
    device: CommandDevice,
    simulation: Mapping[str, Any],
) -> None:
    """Load the file, then answer cases."""
    with simulator(**simulation) if device.is_simulated else nullcontext():
        try:
            kernels = target.kernels(device, (), needed=False)
        except InputError as error:
            reply(str(error))
            return
        reply("")
        runners: dict[int, InProcess] = {}
        while True:
            number, mode, case = receive()
            if number not in runners:
                runners[number] = InProcess(users(kernels[number], device.name))
            verdict = runners[number].run(case, mode)
            sys.stdout.flush()
            reply(verdict)
