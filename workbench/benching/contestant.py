"""The proxy of a contestant's process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from kernels import OPS, Implementation
from workbench.benching.contestant_process import Ready, Source, built_in_kernels, serve
from workbench.benching.networks import NetworkCase
from workbench.benching.rows import Status
from workbench.cases import BenchCase
from workbench.checking import Subject
from workbench.checking.subjects import elsewhere
from workbench.checking.worker import BYTES_PER_SECOND
from workbench.system.errors import InputError
from workbench.system.process import START_SECONDS, Child, NoAnswer, OnCompile
from workbench.target.description import FileFacts, KernelFacts
from workbench.target.resolve import Target
from workbench.target.trial import receive_facts

PREPARE_SECONDS = {"builtin": 60.0, "file": 60.0, "peer": 180.0}
"""Kind of source -> the time limit of preparing and verifying a case, excluding Numba's compilation; PyTorch's own compiler
is slow."""

LEAST_CALL_SECONDS = 10.0
"""The time limit of a single call; ten times the budget if that is more."""

LEAST_SHARE = 1 / 3
"""The share of a turn by the clock of this process that a contestant's calls must take by its own, in the median turn."""

Answer = TypeVar("Answer")


class Dropped(Exception):  # noqa: N818 - a finding
    """A contestant drops out. ``label`` names it, the message is the reason."""

    def __init__(self, label: str, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.label, self.status = label, status


class Remote:
    """A process with the contestants of one source; it is paused except while it answers.

    It is not trusted: what it sends is data of the expected form, or it is an error.

    Parameters
    ----------
    source : the source of the contestants
    budget_s : seconds of timing for each
    on_compile : called for every function that Numba compiles in the process
    answers : the function that runs in the process, like ``contestant_process.serve``
    """

    def __init__(
        self, source: Source, budget_s: float, on_compile: OnCompile, answers: Callable[..., None] = serve
    ) -> None:
        self.source = source
        self._call_s = max(LEAST_CALL_SECONDS, 10 * budget_s)
        self._child = Child(
            answers, (source,), environment=_environment(source), on_compile=on_compile, is_trusted=False
        )
        self._kernels: tuple[KernelFacts, ...] = ()

    @property
    def is_running(self) -> bool:
        """Whether the process is running; a crash ends all contestants of a source."""
        return self._child.is_running

    @property
    def slow(self) -> str:
        """Why a contestant that takes too long is not timed."""
        return f"a call takes more than {self._call_s:g} s; raise --budget"

    def prepare(self, case: BenchCase | NetworkCase, dtype: str) -> list[Ready]:
        """Prepare all contestants that run the case; a crash or a hang becomes one contestant with that fault.

        Raises
        ------
        InputError
            The source's file cannot be loaded.
        """
        seconds = PREPARE_SECONDS[self.source.kind]
        if isinstance(case, BenchCase) and case.op in OPS:
            moved = OPS[case.op].moved_bytes(case.shapes, case.options, np.dtype(dtype).itemsize)
            seconds += moved / BYTES_PER_SECOND
        question = ("prepare_network", case) if isinstance(case, NetworkCase) else ("prepare", case, dtype)
        try:
            return _typed(self._ask(question, seconds)[0], list[Ready])
        except NoAnswer as reason:
            name = self.source.name.rpartition(":")[2] or self.source.kind
            slow = f"compiling apart, its first call takes more than {seconds:g} s"
            status: Status = "crashed" if reason.crashed else "too slow"
            return [Ready(name=name, version="", status=status, fault=str(reason) if reason.crashed else slow)]

    def subject(self, ready: Ready, case: BenchCase) -> Subject | None:
        """Return a contestant as a kernel that ``checking.worker.There`` has called; None for another library's."""
        device = self.source.device
        if ready.number is None:
            return None
        if self.source.kind == "file":
            return elsewhere(self._kernels[ready.number], self.source.name, device.name)
        kernels: list[Implementation] = built_in_kernels(case.op, device)
        return Subject(implementation=kernels[ready.number], label=device.name)

    def has_body(self, ready: Ready) -> bool:
        """Return whether a contestant is a user's kernel with a Python body."""
        return self.source.kind == "file" and ready.number is not None and self._kernels[ready.number].has_body

    def run(
        self, ready: Ready, case: BenchCase, dtype: str, family: str = "normal", seed: int = 0
    ) -> tuple[float, list[NDArray[Any]]]:
        """Call a contestant on other values in the same memory, if it can be.

        Returns
        -------
        time_ms : the milliseconds of the call, by the clock of its process
        outputs : copies of those that it computes

        Raises
        ------
        NoAnswer
            It crashed, takes too long, or sends something else.
        """
        op = OPS[case.op]
        names = ready.computes or op.outputs
        shapes = dict(zip(op.outputs, op.output_shapes(case.shapes, case.options), strict=True))
        dtypes = dict(zip(op.outputs, op.dtypes_of_outputs(dtype), strict=True))
        sizes = tuple(prod(shapes[name]) * dtypes[name].itemsize for name in names)
        seconds = self._call_s + sum(sizes) / BYTES_PER_SECOND
        answer, buffers = self._ask(("run", ready.name, family, seed), seconds, sizes)
        time_ms = _typed(answer, float)
        if len(buffers) != len(sizes):
            raise NoAnswer("sends something other than a result", crashed=False)
        return time_ms, [
            buffer.view(dtypes[name]).reshape(shapes[name]) for name, buffer in zip(names, buffers, strict=True)
        ]

    def block(self, name: str, seconds: float) -> tuple[list[float], float, float]:
        """Time a contestant for about ``seconds``; see Entrant.

        Returns
        -------
        times : the milliseconds of each call that counts
        total, turn : the milliseconds of all calls by the clock of its process, and of the turn by that of this one
        """
        start = time.perf_counter()
        answer, _ = self._ask(("block", name, seconds), self._call_s)
        turn = (time.perf_counter() - start) * 1e3
        times, total = _typed(answer, tuple[list[float], float])
        if not times or not all(each > 0 for each in times):
            raise NoAnswer("sends times that are not positive", crashed=False)
        return times, total, turn

    def cold(self, name: str) -> float | None:
        """Return the milliseconds of a call with its arrays in no cache; None if they are not known."""
        return _typed(self._ask(("cold", name), self._call_s)[0], float | None)  # type: ignore[arg-type]

    def ask(self, question: tuple[Any, ...], sizes: tuple[int, ...] = ()) -> tuple[Any, list[NDArray[np.uint8]]]:
        """Have a call made for the judge; see ``checking.worker.Process``."""
        return self._ask(question, self._call_s, sizes)

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _start(self) -> None:
        if self._child.is_running:
            return
        if self.source.kind == "file":
            target = Target(text=self.source.name, op=self.source.op)
            facts: FileFacts = receive_facts(self._child, self.source.name)
            self._kernels = target.fitting(facts.kernels, self.source.device, (), needed=False)
            return
        try:
            self._child.answer(START_SECONDS)
        except NoAnswer as reason:
            raise InputError(f"{self.source.name or self.source.kind}: starting it {reason}") from None

    def _ask(
        self, question: tuple[Any, ...], seconds: float, sizes: Sequence[int] = ()
    ) -> tuple[Any, list[NDArray[np.uint8]]]:
        self._start()
        self._child.resume()
        try:
            answer: tuple[Any, list[NDArray[np.uint8]]] = self._child.ask(question, seconds, sizes)
            return answer
        finally:
            self._child.pause()


@dataclass(kw_only=True)
class RemoteEntrant:
    """A contestant in another process; see ``timing.contest.Contestant``. Every method may raise Dropped.

    Attributes
    ----------
    remote, ready : its process, and its record there
    label : its name in the results, which is unique among the contestants of all sources
    shares : the time of all calls of a turn by the clock of its process, as a share of the turn by that of this one
    """

    remote: Remote
    ready: Ready
    label: str
    shares: list[float] = field(default_factory=list, init=False)

    def block(self, seconds: float) -> list[float]:
        """See Contestant."""
        times, total, turn = self._answer(lambda: self.remote.block(self.ready.name, seconds))
        self.shares.append(total / turn)
        return times

    def cold(self) -> float | None:
        """Return the milliseconds of a call with its arrays in no cache."""
        return self._answer(lambda: self.remote.cold(self.ready.name))

    def check_clock(self) -> None:
        """Drop out if a user's kernel has a clock by which its calls take much less time than by that of this process."""
        share = float(np.median(self.shares))
        if share < LEAST_SHARE and self.remote.source.kind == "file":
            raise Dropped(
                self.label,
                "wrong",
                f"by the clock of its process its calls take {share:.0%} of its turns: it changes the clock, or does work "
                "between its calls",
            )

    def _answer(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except NoAnswer as reason:
            if reason.crashed:
                raise Dropped(self.label, "crashed", str(reason)) from None
            raise Dropped(self.label, "too slow", self.remote.slow) from None


def _typed(answer: Any, kind: type[Answer]) -> Answer:
    """Return an answer of the expected form.

    Raises
    ------
    NoAnswer
        It has another one.
    """
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise NoAnswer(f"sends something other than a result: {error}", crashed=False) from None


def _environment(source: Source) -> dict[str, str]:
    """Set every thread pool to the same number of threads."""
    pools = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(pools, str(source.threads))
