"""After timing: a kernel that remembers results is told from one that a busy machine disturbs."""

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from workbench.benching.contestant import Dropped
from workbench.benching.verifying import Verifier
from workbench.cases.named import named_cases

CASE = next(case for case in named_cases("relu") if case.name == "relu-4k")
USUAL_MS = 0.1


def entrant(time_of):
    """Return a stand-in for a right relu whose calls take what ``time_of(number, is_seen)`` says, in ms."""
    numbers, last = count(), [0]

    def run(_ready, case, dtype, family="normal", seed=0):
        is_seen, last[0] = seed == last[0], seed
        (x,) = case.arrays(dtype, family, seed).values()
        return time_of(next(numbers), is_seen), [np.maximum(x, 0)]

    ready = SimpleNamespace(number=0, computes=None, accumulate=None)
    remote = SimpleNamespace(run=run, source=SimpleNamespace(kind="file"))
    return SimpleNamespace(label="mine", ready=ready, remote=remote, check_clock=lambda: None)


@pytest.mark.parametrize(
    "time_of",
    [
        pytest.param(lambda _number, _is_seen: USUAL_MS, id="steady"),
        pytest.param(lambda _number, _is_seen: 50 * USUAL_MS, id="every call after a pause"),
        pytest.param(lambda number, _is_seen: USUAL_MS if number > 6 else 50 * USUAL_MS, id="disturbed at first"),
        pytest.param(lambda number, _is_seen: USUAL_MS if number % 4 else 50 * USUAL_MS, id="disturbed now and then"),
    ],
)
def test_a_disturbed_kernel_is_not_accused(time_of):
    Verifier(CASE, "float32", {}).after(entrant(time_of), USUAL_MS)


def test_a_kernel_that_remembers_results_is_told():
    def time_of(_number, is_seen):
        return USUAL_MS if is_seen else 50 * USUAL_MS

    with pytest.raises(
        Dropped, match=r"at least 5 ms on values it has not seen, 0\.1 ms on those .* remembers results"
    ):
        Verifier(CASE, "float32", {}).after(entrant(time_of), USUAL_MS)
