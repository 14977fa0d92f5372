"""Two right results agree, and a wrong one does not: the built-in kernels as a fast oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import OPS
from kernels.call.registry import register
from kernels.declare.op import Implementation
from workbench.oracle.agreement import SINGLE, agreement
from workbench.oracle.truth import truth_of
from workbench.sampling import cases

LARGEST = 9


@pytest.mark.parametrize("name", OPS)
@settings(max_examples=10)
@given(st.data())
def test_what_is_within_the_bounds_agrees_and_what_is_far_beyond_does_not(name, data):
    op = OPS[name]
    case = data.draw(cases(op, "float32", layouts=("contiguous",), largest=LARGEST))
    inputs = case.arrays()
    truth = truth_of(op, inputs, case.options, SINGLE, accumulate=None, free=False)
    other = agreement(op, inputs, case.options)
    for place, (expected, bound) in enumerate(zip(truth.expected, truth.bounds, strict=True)):
        with np.errstate(all="ignore"):
            for sign in (-1, 0, 1):
                right = (expected + sign * 0.9 * bound).astype(np.float32)
                right = np.where(truth.shares(place, right) <= 1, right, expected.astype(np.float32))
                settled = (
                    truth.shares(place, right) <= 1
                )  # not where the bound is smaller than the spacing of the numbers
                assert (other.shares(place, right)[settled] <= 1).all()
            normal = np.isfinite(expected) & np.isfinite(bound) & (np.abs(expected) < 1e30)
            wrong = (expected + 4 * bound + 1e-3 * np.abs(expected) + 1e-30).astype(np.float32)
        assert (other.shares(place, wrong)[normal & (truth.shares(place, wrong) > 4)] > 1).all()


def test_it_does_not_ask_the_user_s_kernels():
    def broken(_x, y):
        y[...] = 7

    register(Implementation(op="relu", device="cpu", algorithm="user", target=broken), preferred=True)
    found = agreement(OPS["relu"], {"x": np.array([-1, 2], np.float32)}, {})
    assert found.expected[0].tolist() == [0, 2]
