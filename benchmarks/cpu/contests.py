"""The near end: both sides in processes of their own, timed in turn on one case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.cpu.contestants import Entered, Outputs, serve
from kernels import OPS
from workbench.benching.contestant import Remote, RemoteEntrant
from workbench.benching.contestant_process import Source
from workbench.benching.networks import NetworkCase
from workbench.cases import BenchCase
from workbench.system.errors import VerdictAgainst
from workbench.timing.contest import hold

ANSWER_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A case: the median milliseconds of every contestant, and how many times as long the faster of PyTorch's takes as ours.

    Milliseconds are those of a call; of a training step, where a call takes several.

    Attributes
    ----------
    outputs : what was asked for, where the operation has others as well
    ratio, low, high : PyTorch's time over ours, from rounds side by side, and its 99 % interval
    rounds : how many there were
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


class Sides:
    """Ours and PyTorch on so many threads."""

    def __init__(self, ours: Remote, torch: Remote, threads: int) -> None:
        self.ours, self.torch, self.threads = ours, torch, threads

    def operation(self, case: BenchCase, budget_s: float, outputs: Outputs | None = None) -> Outcome:
        """Time an operation's case; with ``outputs``, those alone."""
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
        enter: Callable[[Remote], list[Entered]],
    ) -> Outcome:
        names: dict[Remote, list[str]] = {self.ours: [], self.torch: []}
        for side, found in names.items():
            for each in enter(side):
                if each.fault:
                    raise VerdictAgainst(f"{each.name} on {case.op} {case.name} is wrong: {each.fault}")
                found.append(each.name)
        contestants = {
            name: RemoteEntrant(remote=side, name=name, label=name) for side, found in names.items() for name in found
        }
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
    """Start both sides; they end with the block."""
    started: list[Any] = []
    try:
        for source in (Source(kind="builtin", threads=threads), Source(kind="peer", name="torch", threads=threads)):
            started.append(Remote(source, ANSWER_SECONDS / 10, lambda _name, _seconds: None, serve))
        yield Sides(*started, threads)
    finally:
        for remote in started:
            remote.close()
