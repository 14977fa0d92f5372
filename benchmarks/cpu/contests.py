"""The parent process: it runs both sides in separate processes and times them in turn on one case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.cpu.contestants import Entered, Outputs, serve
from kernels import OPS
from workbench.benching.networks import NetworkCase
from workbench.cases import BenchCase
from workbench.system.errors import VerdictAgainst
from workbench.system.process import Child
from workbench.timing.contest import hold

ANSWER_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a case: the median milliseconds of every contestant, and the time of PyTorch's fastest over ours.

    Milliseconds are per call, or per training step if a call takes several.

    Attributes
    ----------
    outputs : the requested outputs, if the operation has others as well
    ratio, low, high : PyTorch's time over ours, from paired rounds, and its 99 % interval
    rounds : the number of rounds
    """

    case: str
    op: str
    threads: int
    outputs: Outputs
    ours: str
    torch: str
    median_ms: Mapping[str, float]
    ratio: float
    low: float
    high: float
    rounds: int

    @property
    def ours_ms(self) -> float:
        """Our median."""
        return self.median_ms[self.ours]


POOLS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""The variables that set the threads of every pool."""


class Side:
    """The process of one side; it is suspended except while it answers, so that no thread of it spins."""

    def __init__(self, peer: str, threads: int) -> None:
        self._child = Child(serve, (peer, threads), environment=dict.fromkeys(POOLS, str(threads)))

    def ask(self, method: str, *arguments: Any) -> Any:
        """Return what a method of its ``Contestants`` returns."""
        self._child.resume()
        try:
            return self._child.ask((method, arguments), ANSWER_SECONDS)
        finally:
            self._child.pause()

    def close(self) -> None:
        """End the process."""
        self._child.close()


@dataclass(frozen=True)
class _Entrant:
    """A contestant of a side; see ``timing.contest.Contestant``."""

    side: Side
    name: str

    def block(self, seconds: float) -> list[float]:
        """Time it for about so long."""
        times: list[float] = self.side.ask("block", self.name, seconds)
        return times


class Sides:
    """Our side and PyTorch's, on ``threads`` threads."""

    def __init__(self, ours: Side, torch: Side, threads: int) -> None:
        self.ours, self.torch, self.threads = ours, torch, threads

    def operation(self, case: BenchCase, budget_s: float, outputs: Outputs | None = None) -> Outcome:
        """Time an operation's case; with ``outputs``, only those."""
        wanted = outputs or OPS[case.op].outputs
        return self._contest(case, budget_s, wanted, lambda side: side.ask("enter", case, wanted))

    def network(self, case: NetworkCase, budget_s: float) -> Outcome:
        """Time a network."""
        return self._contest(case, budget_s, (), lambda side: side.ask("enter_network", case))

    def peak(self) -> float:
        """Measure the limit of arithmetic, GFLOP/s in float32."""
        limit: float = self.ours.ask("peak")
        return limit

    def _contest(
        self,
        case: BenchCase | NetworkCase,
        budget_s: float,
        outputs: Outputs,
        enter: Callable[[Side], list[Entered]],
    ) -> Outcome:
        names: dict[Side, list[str]] = {self.ours: [], self.torch: []}
        for side, found in names.items():
            for each in enter(side):
                if each.fault:
                    raise VerdictAgainst(f"{each.name} on {case.op} {case.name} is wrong: {each.fault}")
                found.append(each.name)
        contestants = {name: _Entrant(side, name) for side, found in names.items() for name in found}
        contest = hold(contestants, budget_s=budget_s, baseline=names[self.ours][0])
        steps = case.steps if isinstance(case, NetworkCase) else 1
        median_ms = {name: timed.quantile(0.5) / steps for name, timed in contest.timed.items()}
        ours, torch = (min(names[side], key=lambda name: median_ms[name]) for side in (self.ours, self.torch))
        ratio = contest.ratio(torch, ours)
        return Outcome(
            case=case.name,
            op=case.op,
            threads=self.threads,
            outputs=outputs,
            ours=ours,
            torch=torch,
            median_ms=median_ms,
            ratio=ratio.estimate,
            low=ratio.low,
            high=ratio.high,
            rounds=len(contest.timed[ours].rounds),
        )


@contextmanager
def sides(threads: int) -> Iterator[Sides]:
    """Start both sides; they end when the block ends."""
    started = [Side(peer, threads) for peer in ("", "torch")]
    try:
        yield Sides(*started, threads)
    finally:
        for side in started:
            side.close()
