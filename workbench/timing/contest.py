"""Timing of several contestants in one run, in turn, so that a temporary slowdown of the machine affects all of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil, sqrt
from typing import Protocol

import numpy as np

from workbench.timing.statistics import CONFIDENCE, Interval, least_pairs, median_interval, ratio_interval

NARROW = 0.01
"""Half the relative width of an interval at which measuring ends."""

BLOCK_SECONDS = 0.01
"""How long a contestant runs at a time: long enough to settle, but short compared with other activity on the machine."""

GROWTH = 1.2
"""The factor by which the number of rounds grows between two looks at the intervals. Looking after every round and stopping
at the first narrow interval would make the intervals too narrow."""


class Contestant(Protocol):
    """Something that can be timed."""

    def block(self, seconds: float) -> Sequence[float]:
        """Call it for about ``seconds``, at least once, with caches and clock settled; return milliseconds per call."""


@dataclass
class Timed:
    """The measurements of one contestant, in milliseconds per call.

    Attributes
    ----------
    samples : the time of every call, or the means of short calls
    rounds, undisturbed : the median and the 20th percentile of each round, averaged over its two directions, so that a
        steady drift cancels. Disturbances only ever lengthen a call, so contestants are compared by the latter.
    """

    samples: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    undisturbed: list[float] = field(default_factory=list)

    def add(self, forth: Sequence[float], back: Sequence[float]) -> None:
        """Add a round."""
        self.samples += [*forth, *back]
        for share, kept in ((0.5, self.rounds), (0.2, self.undisturbed)):
            kept.append(sqrt(float(np.quantile(forth, share)) * float(np.quantile(back, share))))

    def quantile(self, share: float) -> float:
        """Return a quantile of the samples."""
        return float(np.quantile(self.samples, share))

    def median(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the median of the samples, and its interval from the rounds, which are independent of each other."""
        interval, estimate = median_interval(self.rounds, confidence), self.quantile(0.5)
        return Interval(estimate=estimate, low=min(interval.low, estimate), high=max(interval.high, estimate))


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The result; ``stopped`` says what ended the contest: narrow intervals ("interval") or the time ("budget")."""

    timed: Mapping[str, Timed]
    stopped: str

    def ratio(self, name: str, baseline: str, confidence: float = CONFIDENCE) -> Interval:
        """Estimate the factor by which ``name`` takes longer than ``baseline``, round by round."""
        return ratio_interval(self.timed[name].undisturbed, self.timed[baseline].undisturbed, confidence)


def hold(
    contestants: Mapping[str, Contestant],
    *,
    budget_s: float,
    baseline: str,
    confidence: float = CONFIDENCE,
    on_round: Callable[[float], None] = lambda _share: None,
) -> Contest:
    """Time contestants in turn, in alternating order (ABBA), until the intervals are narrow or the budget is spent.

    Parameters
    ----------
    contestants : the contestants by name
    budget_s : seconds for each of them; the first round always runs
    baseline : the name of the contestant that the others are compared with
    confidence : the confidence level of the intervals
    on_round : called after each round with the share of the budget spent
    """
    timed = {name: Timed() for name in contestants}
    names = list(contestants)
    total = budget_s * len(names)
    start = time.perf_counter()
    stopped = "budget"
    next_look = least_pairs(confidence)
    for done in count(1):
        for name, (forth, back) in _round(contestants, names).items():
            timed[name].add(forth, back)
        names = names[1:] + names[:1]  # so that every contestant follows every other
        spent = time.perf_counter() - start
        on_round(min(spent / total, 1.0))
        if done >= next_look:
            next_look = ceil(done * GROWTH)
            if _is_narrow(timed, baseline, confidence):
                stopped = "interval"
                break
        if spent * (done + 1) / done > total:
            break
    return Contest(timed=timed, stopped=stopped)


def _round(contestants: Mapping[str, Contestant], names: Sequence[str]) -> dict[str, list[list[float]]]:
    blocks: dict[str, list[list[float]]] = {name: [] for name in names}
    for name in (*names, *reversed(names)):
        blocks[name].append(list(contestants[name].block(BLOCK_SECONDS)))
    return blocks


def _is_narrow(timed: Mapping[str, Timed], baseline: str, confidence: float) -> bool:
    """Return whether every ratio to the baseline is known precisely, or the median if there is only one contestant."""
    if len(timed) == 1:
        return median_interval(timed[baseline].rounds, confidence).width <= NARROW
    rest = [each for name, each in timed.items() if name != baseline]
    return all(
        ratio_interval(each.undisturbed, timed[baseline].undisturbed, confidence).width <= NARROW for each in rest
    )
