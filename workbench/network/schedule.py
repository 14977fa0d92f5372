"""Schedules: the learning rate of every step."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

DIVISOR, LAST_DIVISOR = 25.0, 1e4
"""one-cycle starts at the largest rate divided by the first, and ends at that divided by the second."""

RISING = 0.3
"""The share of one-cycle's steps in which the rate rises, unless ``warmup`` says how many they are."""

DROPS, DROP = (0.5, 0.75), 0.1
"""step: after these shares of the steps, the rate is multiplied by DROP."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate as a function of the number of steps taken.

    Attributes
    ----------
    kind : a key of SCHEDULES
    lr : the largest rate
    steps : of the whole training
    warmup : the first steps, in which the rate rises; 0 for the default of the kind
    """

    kind: str
    lr: float
    steps: int
    warmup: int = 0

    def __call__(self, taken: int) -> float:
        """Return the learning rate of the step after ``taken`` steps."""
        return SCHEDULES[self.kind](self, taken)

    def share(self, taken: int) -> float:
        """Return the share 0..1 of the steps after the warm-up that are done."""
        return (taken - self.warmup) / max(self.steps - self.warmup, 1)


def _cosine(first: float, last: float, share: float) -> float:
    """Return the value between two, at a share 0..1 of half a period of the cosine."""
    return last + (first - last) * (1 + cos(pi * min(share, 1.0))) / 2


def _after_warmup(decay: Callable[[float], float]) -> Callable[[Schedule, int], float]:
    """Return a schedule that rises in a line during the warm-up, then multiplies the rate by ``decay`` of the share done."""

    def rate(schedule: Schedule, taken: int) -> float:
        if taken < schedule.warmup:
            return schedule.lr * (taken + 1) / schedule.warmup
        return schedule.lr * decay(schedule.share(taken))

    return rate


def _one_cycle(schedule: Schedule, taken: int) -> float:
    highest = (schedule.warmup or RISING * schedule.steps) - 1
    first, last = schedule.lr / DIVISOR, schedule.lr / DIVISOR / LAST_DIVISOR
    if taken <= highest:
        return _cosine(first, schedule.lr, taken / highest if highest > 0 else 1.0)
    return _cosine(schedule.lr, last, (taken - highest) / (schedule.steps - 1 - highest))


SCHEDULES: dict[str, Callable[[Schedule, int], float]] = {
    "constant": _after_warmup(lambda _share: 1.0),
    "step": _after_warmup(lambda share: DROP ** sum(share >= drop for drop in DROPS)),
    "cosine": _after_warmup(lambda share: _cosine(1.0, 0.0, share)),
    "one-cycle": _one_cycle,
}
"""Name -> the rate after some steps.

cosine is that of I. Loshchilov and F. Hutter, SGDR, ICLR 2017, without restarts. one-cycle is that of L. Smith and N. Topin,
Super-convergence, 2018, as PyTorch's OneCycleLR computes it, with a constant momentum.
"""

DEFAULT = "one-cycle"
