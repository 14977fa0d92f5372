"""Central differences: gradients to compare with, of known error, without those at kinks and jumps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.oracle.declaration.gradients import numeric_gradient


def differences(function, x, dy=1.0, dtype=np.float64):
    x = np.asarray(x, dtype)
    return numeric_gradient(function, x, np.broadcast_to(np.asarray(dy, dtype), function(x).shape))


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        pytest.param(lambda x: x**3, lambda x: 3 * x**2, id="cube"),
        pytest.param(np.exp, np.exp, id="exp"),
        pytest.param(np.sin, np.cos, id="sin"),
        pytest.param(np.log, lambda x: 1 / x, id="log"),
        pytest.param(lambda x: 0 * x, lambda x: 0 * x, id="nothing"),
    ],
)
def test_differences_of_smooth_functions(function, derivative, scale, dtype):
    """Right within the tolerance, at every element, whatever the scale; and the tolerance is a small part of the whole."""
    scale = np.dtype(dtype).type(scale)
    x = np.random.default_rng(0).uniform(0.5, 2, (3, 4)).astype(dtype) * scale
    got = differences(lambda x: function(x / scale) * scale, x, dtype=dtype)
    expected = derivative(x / scale)
    assert got.values.dtype == dtype
    assert np.all(np.abs(got.values - expected) <= got.tolerance)
    assert np.all(
        got.tolerance <= 10 * np.finfo(dtype).eps ** 0.5 * np.abs(function(x / scale)).max() + got.tolerance.min()
    )


def test_differences_weigh_the_outputs():
    got = differences(lambda x: np.cumsum(x), [1.0, 2.0, 3.0], dy=[1.0, 10.0, 100.0])
    np.testing.assert_allclose(got.values, [111, 110, 100], rtol=1e-8)


def test_differences_of_a_number():
    got = differences(lambda x: x * x, 3.0)
    assert got.values.shape == ()
    assert got.values == pytest.approx(6)


def test_differences_of_nothing():
    assert differences(lambda x: x, np.zeros((0, 3))).values.shape == (0, 3)


def test_kinks_are_left_out():
    got = differences(lambda x: np.maximum(x, 0), [-1.0, 0.0, 1.0, 1e-9])
    np.testing.assert_allclose(got.values, [0, np.nan, 1, np.nan], atol=1e-9)
    got = differences(lambda x: np.max(x, keepdims=True), [2.0, 5.0, 5.0])
    np.testing.assert_allclose(got.values, [0, np.nan, np.nan], atol=1e-9)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_outputs_that_stay_the_same_do_not_count(special):
    got = differences(lambda x: np.append(x * x, special), [1.0, 3.0])
    np.testing.assert_allclose(got.values, [2, 6], rtol=1e-8)


def test_jumps_and_infinities_are_left_out():
    assert np.isnan(differences(np.floor, [1.0]).values[0])
    assert np.isnan(differences(lambda x: np.where(x > 1, np.inf, x), [1.0]).values[0])


@given(st.floats(-3, 3), st.floats(1e-12, 1e3), st.floats(-1, 1))
def test_an_overlooked_kink_costs_no_more_than_the_tolerance(distance, change, curvature):
    """A kink at any part of the step, of any size: the element is left out, or right."""
    step = np.finfo(float).eps ** (1 / 3)
    place = 1 + distance * step
    got = differences(lambda x: curvature * x * x + change * np.maximum(x - place, 0) + x, [1.0])
    right = 2 * curvature + 1 + (change if place < 1 else 0)
    if distance:
        assert np.isnan(got.values[0]) or abs(got.values[0] - right) <= got.tolerance[0]
