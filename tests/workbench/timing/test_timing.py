"""Intervals and verdicts: they are wrong as rarely as their confidence states, and detect real differences."""

from math import exp, inf, log

import numpy as np
import pytest

from workbench.timing.contest import Timed, hold
from workbench.timing.statistics import (
    CONFIDENCE,
    LEAST_NOISE,
    Interval,
    least_pairs,
    median_interval,
    noise_of,
    ratio_interval,
    verdict,
)


def spiky(rng, count):
    """Times as a busy machine gives them: mostly alike, sometimes far longer."""
    return 1 + 0.02 * rng.random(count) + (rng.random(count) < 0.1) * rng.exponential(2, count)


@pytest.mark.parametrize("count", [8, 20, 60])
def test_the_median_lies_in_its_interval_as_often_as_promised(count):
    rng = np.random.default_rng(0)
    truth = float(np.median(spiky(rng, 1_000_000)))
    intervals = [median_interval(spiky(rng, count)) for _ in range(1000)]
    missed = sum(not each.low <= truth <= each.high for each in intervals)
    assert missed <= 1000 * (1 - CONFIDENCE) + 3 * 3.2  # three standard deviations


@pytest.mark.parametrize("count", [8, 20, 60])
def test_equal_times_are_told_apart_as_rarely_as_promised(count):
    rng = np.random.default_rng(1)
    intervals = [ratio_interval(spiky(rng, count), spiky(rng, count)) for _ in range(1000)]
    missed = sum(not each.low <= 1 <= each.high for each in intervals)
    assert missed <= 1000 * (1 - CONFIDENCE) + 3 * 3.2


def test_wilcoxon_against_a_published_table():
    """Critical values for 1 %, two-sided, n = 8, 10, 20, 25: 0, 3, 37, 68 (Hollander, Wolfe, Chicken, table A.4)."""
    from workbench.timing.statistics import _wilcoxon_cut

    assert [_wilcoxon_cut(n, 0.99) for n in (7, 8, 10, 20, 25)] == [0, 1, 4, 38, 69]
    assert least_pairs() == 8
    assert least_pairs(0.95) == 6


def test_too_few_times_tell_nothing():
    assert median_interval([1.0, 2.0]).low == -inf
    assert ratio_interval([1.0] * 7, [2.0] * 7).high == inf


def test_ratios_are_the_same_from_either_side():
    rng = np.random.default_rng(2)
    first, second = spiky(rng, 30), spiky(rng, 30)
    there, back = ratio_interval(first, second), ratio_interval(second, first)
    assert there.estimate == pytest.approx(1 / back.estimate)
    assert there.low == pytest.approx(1 / back.high)


@pytest.mark.parametrize(
    ("low", "high", "noise", "expected"),
    [
        (1.08, 1.12, LEAST_NOISE, "slower"),
        (0.88, 0.92, LEAST_NOISE, "faster"),
        (0.99, 1.01, LEAST_NOISE, "tie"),
        (1.005, 1.03, LEAST_NOISE, "tie"),
        (1.03, 1.04, LEAST_NOISE, "slower"),
        (1.03, 1.04, log(1.05), "tie"),
        (0.9, 1.1, LEAST_NOISE, "unsure"),
        (1.01, 1.2, LEAST_NOISE, "unsure"),
        (1.08, 1.12, log(1.2), "unsure"),
        (0.0, inf, LEAST_NOISE, "unsure"),
    ],
)
def test_verdicts(low, high, noise, expected):
    assert verdict(Interval(estimate=1.0, low=low, high=high), noise) == expected


def test_the_noise_floor_is_what_the_control_may_be():
    assert noise_of(Interval(estimate=1.0, low=0.999, high=1.001)) == LEAST_NOISE
    assert noise_of(Interval(estimate=1.0, low=0.95, high=1.01)) == pytest.approx(-log(0.95))
    assert noise_of(Interval(estimate=1.0, low=0.0, high=inf)) == inf


class Machine:
    """A machine that runs slower and slower, and now and then is disturbed for a while. Its time is its own."""

    def __init__(self, seed, drift=0.0, bursts=0.0):
        self.rng = np.random.default_rng(seed)
        self.drift, self.bursts = drift, bursts
        self.blocks = 0
        self.seconds = 0.0

    def perf_counter(self):
        """Stand for the function of ``time``."""
        return self.seconds

    def block(self, true_ms, seconds):
        self.blocks += 1
        self.seconds += seconds
        slowed = exp(self.drift * self.blocks)
        burst = 1 + self.rng.exponential(1.0) if self.rng.random() < self.bursts else 1.0
        return list(true_ms * slowed * burst * (1 + 0.03 * self.rng.random(10)))


class Simulated:
    """A kernel on it."""

    def __init__(self, machine, true_ms):
        self.machine, self.true_ms = machine, true_ms

    def block(self, seconds):
        return self.machine.block(self.true_ms, seconds)


@pytest.fixture
def contest(monkeypatch):
    """A function that times kernels on a machine, by its clock."""

    def held(machine, budget_s=1.0, **true_ms):
        monkeypatch.setattr("workbench.timing.contest.time", machine)
        kernels = {name: Simulated(machine, value) for name, value in true_ms.items()}
        return hold(kernels, budget_s=budget_s, baseline="first")

    return held


@pytest.mark.parametrize("seed", range(5))
def test_a_steady_drift_does_not_make_a_difference(contest, seed):
    ratio = contest(Machine(seed, drift=0.005), first=1.0, second=1.0, third=1.0).ratio("second", "first")
    assert ratio.estimate == pytest.approx(1, abs=0.01)
    assert verdict(ratio, LEAST_NOISE) == "tie"


@pytest.mark.parametrize("seed", range(5))
def test_ten_percent_are_seen_through_bursts(contest, seed):
    ratio = contest(Machine(seed, bursts=0.1), budget_s=5.0, first=1.0, second=1.1).ratio("second", "first")
    assert verdict(ratio, LEAST_NOISE) == "slower"
    assert ratio.low <= 1.1 <= ratio.high * 1.01


def test_measuring_ends_when_intervals_are_narrow(contest):
    done = contest(Machine(0), budget_s=60, first=1.0, second=2.0)
    assert done.stopped == "interval"
    assert len(done.timed["first"].rounds) >= least_pairs()


def test_measuring_ends_with_the_budget(contest):
    done = contest(Machine(0, bursts=0.9), budget_s=1e-6, first=1.0, second=2.0)
    assert done.stopped == "budget"
    assert [len(each.rounds) for each in done.timed.values()] == [1, 1]


def test_a_contestant_alone_is_timed_too(contest):
    done = contest(Machine(0), budget_s=60, first=1.0)
    assert done.timed["first"].median().estimate == pytest.approx(1.015, abs=0.01)


def test_quantiles_and_the_undisturbed_part():
    timed = Timed()
    timed.add([1.0, 1.0, 1.0, 1.0, 5.0], [4.0, 4.0, 4.0, 4.0, 4.0])
    assert (timed.rounds, timed.undisturbed) == ([2.0], [2.0])
    assert timed.quantile(0.5) == 4.0


def test_a_control_that_differs_itself_makes_all_of_its_case_unsure():
    """Within a quarter of equal it is noise, and larger differences are still seen."""
    assert (
        verdict(Interval(estimate=3.0, low=2.9, high=3.1), noise_of(Interval(estimate=1.1, low=1.08, high=1.12)))
        == "slower"
    )
    broken = noise_of(Interval(estimate=2.0, low=1.5, high=2.5))
    assert verdict(Interval(estimate=22.0, low=20.0, high=24.0), broken) == "unsure"
    assert verdict(Interval(estimate=0.01, low=0.009, high=0.011), broken) == "unsure"
