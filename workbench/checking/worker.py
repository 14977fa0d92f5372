"""A separate process for a user's kernels, which makes the calls that the judge asks for: it may crash, hang or cheat."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from workbench.checking.calling import Here
from workbench.checking.calls import REASONS, Call, Failure, Mode, Returned
from workbench.checking.judging import judge
from workbench.checking.results import Fault, Verdict
from workbench.checking.subject import Subject
from workbench.checking.subjects import users
from workbench.sampling import Case
from workbench.sim.host.patching import simulator
from workbench.system.machine import processes_ended_for_memory
from workbench.system.process import PERTURB, Child, NoAnswer, OnCompile
from workbench.target.command_device import CommandDevice
from workbench.target.description import FileFacts
from workbench.target.isolation import Acts
from workbench.target.resolve import Target
from workbench.target.trial import load_for_command, receive_facts

BYTES_PER_SECOND = 50e6
"""The rate at which huge arrays are at least filled, computed and sent; the time for it is added to a call's."""

TIMES_KILLED = 2
"""A kernel in whose calls the process is killed as many times is to blame."""


class Worker:
    """A process that imports a user's file and calls its kernels; it is restarted after a crash.

    Parameters
    ----------
    target : the file
    device : the device that its kernels run on
    simulation : settings of the simulator
    timeout : seconds a call may take, excluding compilation
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
        self._child = Child(
            _serve, (target, device, simulation), environment=_environment(), on_compile=on_compile, is_trusted=False
        )

    def facts(self) -> FileFacts:
        """Start the process anew and return the facts about the file.

        Raises
        ------
        InputError
            The process cannot import the file.
        """
        self._child.end()
        return receive_facts(self._child, self._target.text)

    def ask(self, question: tuple[Any, ...], sizes: tuple[int, ...] = ()) -> tuple[Any, list[NDArray[np.uint8]]]:
        """Return the answer to a question: data and buffers.

        Raises
        ------
        NoAnswer
            The process ends or takes too long.
        InputError
            The process cannot import the file.
        """
        if not self._child.is_running:
            self.facts()
        seconds = self._timeout + sum(sizes) / BYTES_PER_SECOND
        answer: tuple[Any, list[NDArray[np.uint8]]] = self._child.ask(question, seconds, sizes)
        return answer

    def printed(self) -> str:
        """Return what the file and its kernels printed."""
        return self._child.printed()

    def restart(self) -> None:
        """End the process; the next question starts another."""
        self._child.end()

    def close(self) -> None:
        """End the process for good."""
        self._child.close()


class Process(Protocol):
    """A process with ``Callers``."""

    def ask(self, question: tuple[Any, ...], sizes: tuple[int, ...] = ()) -> tuple[Any, list[NDArray[np.uint8]]]:
        """Return the answer to a question: data and buffers."""


def _environment() -> dict[str, str]:
    """Return the environment of a worker: two threads at least, unless the user says otherwise, so that races can show."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return PERTURB if cores > 1 or "NUMBA_NUM_THREADS" in os.environ else PERTURB | {"NUMBA_NUM_THREADS": "2"}


class There:
    """Has a kernel of another process called; a ``calls.Caller``.

    Parameters
    ----------
    worker : the process
    kernel : the number of the kernel among those of the file that run on the device
    subject : the kernel

    Attributes
    ----------
    acts : what its calls did that the user is told; see ``isolation.Acts``
    """

    has_twin = False

    def __init__(self, worker: Process, kernel: int, subject: Subject) -> None:
        self._worker, self._kernel, self._subject = worker, kernel, subject
        self._sizes: tuple[int, ...] = ()
        self.acts: dict[str, None] = {}

    def call(self, call: Call) -> Returned:
        """See Caller."""
        self._sizes = call.sizes
        return self._returned((self._kernel, call), call.sizes)

    def _returned(self, question: tuple[Any, ...], sizes: tuple[int, ...]) -> Returned:
        answer, buffers = self._worker.ask(question, sizes)
        match answer:
            case {"warning": str(warning), "acts": list(acts)} if len(buffers) == len(sizes):
                self.acts.update((act, None) for act in acts if type(act) is str)
                return Returned(buffers=tuple(buffers), warning=warning)
            case {"kind": str(kind), "reason": str(reason), "details": str(details)} if kind in REASONS:
                return Returned(failure=Failure(kind=kind, reason=reason, details=details))
        raise NoAnswer("sends something other than a result", crashed=False)

    def call_huge(self, case: Case) -> Returned:
        """See Caller."""
        op = OPS[case.op]
        outputs = zip(op.output_shapes(case.shapes, case.options), op.dtypes_of_outputs(case.dtype), strict=True)
        computed = self._subject.implementation.of_outputs(op.outputs, list(outputs))
        return self._returned((self._kernel, case), tuple(prod(shape) * dtype.itemsize for shape, dtype in computed))

    def read_again(self) -> tuple[NDArray[np.uint8], ...]:
        """See Caller."""
        _, buffers = self._worker.ask((self._kernel, None), self._sizes)
        if len(buffers) != len(self._sizes):
            raise NoAnswer("sends something other than a result", crashed=False)
        return tuple(buffers)


AnyProcess = TypeVar("AnyProcess", bound=Process)


class InWorker(Generic[AnyProcess]):
    """Judges one kernel of a worker's file; an ``engine.Runner``."""

    def __init__(self, subject: Subject, worker: AnyProcess, kernel: int) -> None:
        self.worker = worker
        self._subject, self._caller = subject, There(worker, kernel, subject)

    @property
    def acts(self) -> tuple[str, ...]:
        """What the calls did that the user is told."""
        return tuple(self._caller.acts)

    def run(self, case: Case, mode: Mode = "run") -> Verdict:
        """See Runner; a case whose process is killed is run again, since the kernel need not have done it."""
        starved = processes_ended_for_memory()
        for _ in range(TIMES_KILLED):
            try:
                return judge(self._subject, case, self._caller, mode)
            except NoAnswer as reason:
                killed = str(reason)
        if processes_ended_for_memory() > starved:
            return Verdict(lacks="not enough memory: the system ended the process of the kernel")
        return Verdict(fault=Fault(reason=f"{killed}, {TIMES_KILLED} times of {TIMES_KILLED}", crash=True))


def _serve(
    reply: Callable[..., None],
    receive: Callable[[], Any],
    target: Target,
    device: CommandDevice,
    simulation: Mapping[str, Any],
) -> None:
    """Import the file, then make calls of its kernels."""
    with simulator(**simulation) if device.is_simulated else nullcontext():
        loaded = load_for_command(reply, partial(target.load, device.kind), target.text)
        if loaded is None:
            return
        subjects = [users(kernel, device.name) for kernel in loaded.kernels if kernel.device == device.kind]
        callers = Callers(subjects, loaded.path.resolve().parent)
        while True:
            reply(*callers.answer(*receive()))


class Callers:
    """Makes the calls that ``There`` asks for.

    Parameters
    ----------
    subjects : the kernels
    folder : the folder of the user's file; see ``isolation.Acts``
    """

    def __init__(self, subjects: Sequence[Subject], folder: Path | None = None) -> None:
        self._subjects = subjects
        self._callers: dict[int, Here] = {}
        self._acts = Acts(folder)

    def answer(self, number: int, call: Call | Case | None) -> tuple[Any, Sequence[Any]]:
        """Call a kernel; return the answer and buffers. None: read the arrays of its last call again. A case: a huge one."""
        if number not in self._callers:
            self._callers[number] = Here(self._subjects[number], is_alone=True)
        caller = self._callers[number]
        if call is None:
            return "", caller.read_again()
        returned = caller.call_huge(call) if isinstance(call, Case) else caller.call(call)
        with suppress(Exception):
            sys.stdout.flush()
        failure = returned.failure
        if failure is None:
            return {"warning": returned.warning, "acts": self._acts.take()}, returned.buffers
        return {"kind": failure.kind, "reason": failure.reason, "details": failure.details}, ()
