"""The proxy of a contestant's process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.benching.contestant_process import Ready, Source, serve
from workbench.benching.networks import NetworkCase
from workbench.benching.rows import Status
from workbench.cases import BenchCase
from workbench.system.errors import InputError
from workbench.system.process import START_SECONDS, Child, NoAnswer, OnCompile

PREPARE_SECONDS = {"builtin": 60.0, "file": 60.0, "peer": 180.0}
"""Kind of source -> the time limit of verification, excluding Numba's compilation; PyTorch's own compiler is slow."""

LEAST_CALL_SECONDS = 10.0
"""The time limit of a single call; ten times the budget if that is more."""


class Dropped(Exception):  # noqa: N818 - a finding
    """A contestant drops out. ``label`` names it, the message is the reason."""

    def __init__(self, label: str, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.label, self.status = label, status


class Remote:
    """A process with the contestants of one source; it is paused except while it answers.

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
        self._child = Child(answers, (source,), environment=_environment(source), on_compile=on_compile)

    @property
    def is_running(self) -> bool:
        """Whether the process is running; a crash ends all contestants of a source."""
        return self._child.is_running

    def prepare(self, case: BenchCase | NetworkCase, dtype: str) -> list[Ready]:
        """Prepare all contestants that run the case; a crash or a hang becomes one contestant with that fault.

        Raises
        ------
        InputError
            The source's file cannot be loaded.
        """
        seconds = PREPARE_SECONDS[self.source.kind]
        try:
            if isinstance(case, NetworkCase):
                found: list[Ready] = self._ask("prepare_network", (case,), seconds)
            else:
                found = self._ask("prepare", (case, dtype), seconds)
        except NoAnswer as reason:
            name = self.source.name.rpartition(":")[2] or self.source.kind
            if reason.crashed:
                return [Ready(name=name, version="", status="crashed", fault=str(reason))]
            slow = f"compiling apart, to verify it takes more than {seconds:g} s"
            return [Ready(name=name, version="", status="too slow", fault=slow)]
        return found

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the process for one contestant and return the answer.

        Raises
        ------
        NoAnswer
            It crashed, or takes too long.
        """
        return self._ask(method, arguments, self._call_s)

    @property
    def slow(self) -> str:
        """Why a contestant that takes too long is not timed."""
        return f"a call takes more than {self._call_s:g} s; raise --budget"

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _start(self) -> None:
        if self._child.is_running:
            return
        try:
            error = self._child.answer(START_SECONDS)
        except NoAnswer as reason:
            raise InputError(f"{self.source.name or self.source.kind}: starting it {reason}") from None
        if error:
            raise InputError(error)

    def _ask(self, method: str, arguments: tuple[Any, ...], seconds: float) -> Any:
        self._start()
        self._child.resume()
        try:
            return self._child.ask((method, arguments), seconds)
        finally:
            self._child.pause()


@dataclass(frozen=True, kw_only=True)
class RemoteEntrant:
    """A contestant in another process; see ``timing.contest.Contestant``. Every method may raise Dropped.

    Attributes
    ----------
    remote, name : its process, and its name there
    label : its name in the results, which is unique among the contestants of all sources
    """

    remote: Remote
    name: str
    label: str

    def block(self, seconds: float) -> list[float]:
        """See Contestant."""
        times: list[float] = self._ask("block", seconds)
        return times

    def cold(self) -> float | None:
        """Return the milliseconds of a call with its arrays in no cache."""
        time: float | None = self._ask("cold")
        return time

    def recheck(self) -> None:
        """Judge the outputs of another call."""
        fault: str = self._ask("recheck")
        if fault:
            raise Dropped(self.label, "wrong", f"{fault}, after timing")

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return self.remote.ask(method, self.name, *arguments)
        except NoAnswer as reason:
            if reason.crashed:
                raise Dropped(self.label, "crashed", str(reason)) from None
            raise Dropped(self.label, "too slow", self.remote.slow) from None


def _environment(source: Source) -> dict[str, str]:
    """Set every thread pool to the same number of threads."""
    pools = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(pools, str(source.threads))
