"""Intervals for medians and ratios, without assumptions on the distribution of times."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, exp, log

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.99

EQUAL = 0.02
"""Times that differ by less than this are a tie, however certain the difference is: memory placement changes them by as much
from one process to the next (docs/performance.md)."""

LEAST_NOISE = log(1 + EQUAL)
"""The same, as a logarithm."""

UNSTEADY = 0.25
"""The larger side of a median's interval, as a share of the median, beyond which nothing is concluded from the times: they
have two values, or the machine does other work. An A/A control farther from equal than this says the same of its case."""

CLOSE = log(1.05)
"""How far from 1, as a logarithm, a ratio may certainly be and still count as a tie."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its interval at the requested confidence; with too few values, the interval is infinite."""

    estimate: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Half the width of the interval relative to the estimate."""
        return (self.high - self.low) / (2 * self.estimate)


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Estimate the median of a distribution from ``values``; the interval uses order statistics and the binomial law.

    Source: W. J. Conover, Practical Nonparametric Statistics, section 3.2.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    count = len(ordered)
    estimate = float(np.median(ordered))
    cut = _binomial_cut(count, confidence)
    if cut == 0:
        return Interval(estimate=estimate, low=float("-inf"), high=float("inf"))
    return Interval(estimate=estimate, low=float(ordered[cut - 1]), high=float(ordered[count - cut]))


def ratio_interval(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Estimate the factor by which ``first`` takes longer than ``second``, from pairs measured side by side.

    This is the Hodges-Lehmann estimate of the logarithms' differences, with its interval by Wilcoxon's signed-rank
    distribution. They require only that errors of a difference are symmetric. Source: M. Hollander, D. A. Wolfe,
    E. Chicken, Nonparametric Statistical Methods, sections 3.2 and 3.3.
    """
    differences = np.log(np.asarray(first, dtype=float)) - np.log(np.asarray(second, dtype=float))
    averages = _walsh_averages(differences)
    estimate = exp(float(np.median(averages)))
    cut = _wilcoxon_cut(len(differences), confidence)
    if cut == 0:
        return Interval(estimate=estimate, low=0.0, high=float("inf"))
    return Interval(estimate=estimate, low=exp(averages[cut - 1]), high=exp(averages[len(averages) - cut]))


def least_pairs(confidence: float = CONFIDENCE) -> int:
    """Return the minimum number of pairs for an interval: 8 for 99 %."""
    count = 1
    while _wilcoxon_cut(count, confidence) == 0:
        count += 1
    return count


def noise_of(control: Interval) -> float:
    """Return how far, as a logarithm, a ratio may be from 1 by chance: as seen in an A/A control, at least EQUAL.

    It is infinite if the control itself is certainly farther from equal than ``UNSTEADY``.
    """
    if control.low <= 0 or verdict(control, log(1 + UNSTEADY)) in ("faster", "slower"):
        return float("inf")
    return max(LEAST_NOISE, abs(log(control.low)), abs(log(control.high)))


def verdict(ratio: Interval, noise: float) -> str:
    """Classify a ratio of times: "slower" or "faster" beyond the noise, "tie" if certainly close to 1, else "unsure"."""
    low, high = (log(ratio.low) if ratio.low > 0 else float("-inf")), log(ratio.high)
    if low > noise:
        return "slower"
    if high < -noise:
        return "faster"
    return "tie" if low >= -CLOSE and high <= CLOSE else "unsure"


def _walsh_averages(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = np.triu_indices(len(differences))
    return np.sort((differences[rows] + differences[columns]) / 2)


@cache
def _binomial_cut(count: int, confidence: float) -> int:
    """Return the largest k with 2 P(B(count, 1/2) < k) <= 1 - confidence; 0 if there is none."""
    allowed, below, cut = (1 - confidence) / 2, 0.0, 0
    while cut < count // 2:
        below += comb(count, cut) / 2**count
        if below > allowed:
            break
        cut += 1
    return cut


@cache
def _wilcoxon_cut(count: int, confidence: float) -> int:
    """Return the largest k with 2 P(T < k) <= 1 - confidence, T the signed-rank statistic of ``count`` differences."""
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):
        ways[rank:] += ways[:-rank].copy()
    below = np.cumsum(ways) / 2.0**count
    return int(np.searchsorted(below, (1 - confidence) / 2, side="right"))
