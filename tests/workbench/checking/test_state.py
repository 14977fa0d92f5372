"""Kernels that remember a NaN: the largest call is repeated after small ones that begin with one."""

import numpy as np
import pytest

from workbench.checking import InProcess, check, users
from workbench.checking.state import after_nonfinite
from workbench.sampling import Case
from workbench.target.decorator import make_kernel


def case_of(op, family="normal", **shapes):
    return Case(op=op, dtype="float32", shapes=shapes, options={}, family=family, seed=5)


def forgetful(kind):
    """Return a right ReLU that is wrong on larger arrays once a small one has begun with a NaN or an infinity."""
    met = []

    def relu(x, y):
        if 0 < x.size <= 300 and kind(x.flat[0]):
            met.append(True)
        y[...] = np.where(x <= 0, x.dtype.type(0), x)
        if x.size > 300 and met:
            y[...] = 0

    return relu


@pytest.mark.parametrize("kind", [np.isnan, np.isinf])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_kernel_that_remembers_is_found_with_every_seed(kind, seed):
    subject = users(make_kernel(forgetful(kind), "relu", device=None), "cpu")
    result = check(subject, InProcess(subject), dtype="float32", examples=40, seed_value=seed, shrink=False)
    assert result.status == "fail"


def test_a_kernel_that_does_not_remember_passes():
    subject = users(make_kernel(forgetful(lambda _value: False), "relu", device=None), "cpu")
    assert check(subject, InProcess(subject), dtype="float32", examples=40).status == "pass"


def test_the_cause_is_named():
    made = []

    def restart():
        made.append(1)
        met.clear()  # the process is this one: it forgets by hand

    met = []

    def relu(x, y):
        if 0 < x.size <= 300 and np.isnan(x.flat[0]):
            met.append(True)
        y[...] = np.where(x <= 0, x.dtype.type(0), x)
        if x.size > 300 and met:
            y[...] = 0

    subject = users(make_kernel(relu, "relu", device=None), "cpu")
    result = check(
        subject, InProcess(subject), dtype="float32", examples=40, seed_value=3, shrink=False, restart=restart
    )
    assert made
    assert "only after earlier calls, on" in result.reason
    assert result.reason.endswith("not in a new process: the kernel keeps state")


def test_the_calls_begin_with_what_they_say():
    cases = [case_of("dense", x=(2, 3), w=(4, 3), b=(4,)), case_of("dense", x=(0, 3), w=(4, 3), b=(4,))]
    *small, large = after_nonfinite(cases)
    assert large == cases[0]
    beginnings = [[array.flat[0] for array in case.arrays().values() if array.size] for case in small]
    assert any(np.isnan(values).any() for values in beginnings)
    assert any(np.isinf(values).any() for values in beginnings)
    assert after_nonfinite([]) == []
