"""The order of prange, and the threads of a worker: what a verdict must not depend on."""

import numpy as np
import pytest
from numba import njit, prange

from kernels import OPS, Implementation
from workbench.checking import InProcess, Subject, worker
from workbench.sampling import Case

STATE = np.dtype([("count", np.int64)])

CASE = Case(op="relu", dtype="float64", shapes={"x": (8,)}, options={}, family="normal", seed=1)


@njit(parallel=True)
def counts_in_a_record(x, y):
    """Accesses to records are not watched; the numbers show that an iteration relies on the ones before it."""
    state = np.zeros(1, STATE)
    for i in prange(x.size):
        y[i] = max(x[i], 0.0) if state[0]["count"] == i else -1.0
        state[0]["count"] += 1


@njit(parallel=True)
def independent(x, y):
    for i in prange(x.size):
        y[i] = max(x[i], 0.0)


@njit(parallel=True)
def wrong_in_any_order(x, y):
    for i in prange(x.size):
        y[i] = x[i]


def watched(kernel):
    implementation = Implementation(op="relu", device="cpu", algorithm="planted", target=kernel)
    subject = Subject(implementation=implementation, label="cpu", body=kernel)
    return InProcess(subject).run(CASE, "watch")


def test_results_that_need_the_natural_order_are_a_race():
    reason = watched(counts_in_a_record).fault.reason
    assert reason.startswith("with the iterations of prange in another order, y[")
    assert reason.endswith(": a race")


@pytest.mark.parametrize("kernel", [independent, wrong_in_any_order], ids=lambda kernel: kernel.__name__)
def test_the_order_is_blamed_for_nothing_else(kernel):
    assert OPS["relu"].outputs == ("y",)
    assert watched(kernel).fault is None


@pytest.mark.parametrize(
    ("cores", "asked", "threads"), [(1, None, "2"), (1, "1", None), (4, None, None)], ids=["one core", "asked", "four"]
)
def test_a_worker_has_two_threads_unless_the_user_says_otherwise(monkeypatch, cores, asked, threads):
    monkeypatch.setattr(worker.os, "sched_getaffinity", lambda _process: set(range(cores)), raising=False)
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", asked)
    assert worker._environment().get("NUMBA_NUM_THREADS") == threads
