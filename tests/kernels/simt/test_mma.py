"""Products on tensor cores: which factors meet, how they are rounded, and which calls they are for."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kernels
from kernels import OptionError
from kernels.declare.op import PRECISIONS
from kernels.memory import devices
from workbench.sim.counting.collecting import counting

pytestmark = pytest.mark.usefixtures("in_the_simulator")

RNG = np.random.default_rng(0)
BITS = {"tf32": 13, "bf16": 16}
"""The bits of a float32 value that a precision drops."""


def values(*shape):
    """Small integers: exact in every precision, as are their sums in any order."""
    return RNG.integers(-4, 5, shape).astype(np.float32)


def rounded(value, precision):
    """Return the nearest value of a precision; of two, tf32 takes the one away from zero, bfloat16 the even one."""
    bits, word = BITS[precision], int(np.float32(value).view(np.uint32))
    if precision == "tf32":
        word += 1 << (bits - 1)
    else:
        word += (1 << (bits - 1)) - 1 + (word >> bits & 1)
    return np.uint32(word >> bits << bits).view(np.float32)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("rows", [1, 33, 130])
@pytest.mark.parametrize(("columns", "terms"), [(64, 64), (5, 1), (129, 17)])
def test_every_factor_meets_its_own(precision, rows, columns, terms):
    x, w, b = values(rows, terms), values(columns, terms), values(columns)
    np.testing.assert_array_equal(kernels.dense(x, w, b, device="cuda", precision=precision), x @ w.T + b)
    dy = values(rows, columns)
    dx, dw, db = kernels.dense_backward(dy, x, w, device="cuda", precision=precision)
    np.testing.assert_array_equal(dx, dy @ w)
    np.testing.assert_array_equal(dw, dy.T @ x)
    np.testing.assert_array_equal(db, dy.sum(axis=0))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_convolutions_with_many_channels_are_exact(precision):
    options = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
    x, w, b = values(2, 48, 9, 7), values(50, 24, 3, 2), values(50)
    y = kernels.conv2d(x, w, b, device="cuda", precision=precision, **options)
    np.testing.assert_array_equal(y, kernels.conv2d(x, w, b, device="cpu", **options))
    dy = values(*y.shape)
    found = kernels.conv2d_backward(dy, x, w, device="cuda", precision=precision, **options)
    expected = kernels.conv2d_backward(dy, x, w, device="cpu", **options)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize("precision", PRECISIONS)
@given(value=st.floats(-(2.0**126), 2.0**126, width=32))
@example(value=1 + 2.0**-11)
@example(value=1 + 2.0**-8)
@example(value=1 + 3 * 2.0**-8)
@example(value=2.0**-149)
@settings(max_examples=30, deadline=None)
def test_factors_are_rounded_to_the_nearest(precision, value):
    x, one = np.full((1, 1), value, np.float32), np.ones((1, 1), np.float32)
    for left, right in ((x, one), (one, x)):
        assert kernels.dense(left, right, device="cuda", precision=precision)[0, 0] == rounded(value, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_infinities_and_nan_stay_what_they_are(precision):
    x = np.array([[np.inf], [-np.inf], [np.nan]], np.float32)
    y = kernels.dense(x, np.ones((1, 1), np.float32), device="cuda", precision=precision)
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_shared_memory_has_no_bank_conflicts(precision):
    with counting() as launches:
        kernels.dense(values(64, 64), values(64, 64), device="cuda", precision=precision)
    (product,) = [launch for launch in launches if launch.kernel == "_product"]
    assert product.shared_conflicts == 0
    assert product.shared_wavefronts > 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_is_allowed_not_required(precision, monkeypatch):
    """The CPU, float64, convolutions of few channels and older GPUs compute in full precision."""
    x, w = np.full((1, 1), 1 + 2.0**-20, np.float32), np.ones((1, 1), np.float32)
    assert kernels.dense(x, w, device="cuda", precision=precision)[0, 0] == 1
    assert kernels.dense(x, w, device="cpu", precision=precision)[0, 0] == x
    assert kernels.dense(x.astype(float), w.astype(float), device="cuda", precision=precision)[0, 0] == x
    images = x.reshape(1, 1, 1, 1)
    assert kernels.conv2d(images, np.ones_like(images), device="cuda", precision=precision)[0, 0, 0, 0] == x
    monkeypatch.setattr(devices, "TENSOR_CORES", (99, 0))
    other = np.full((2, 1), 1 + 2.0**-20, np.float32)  # another shape: its call was not planned yet
    assert (kernels.dense(other, w, device="cuda", precision=precision) == other).all()


def test_explain_says_which_kernel_a_precision_chooses():
    text = kernels.explain("dense", (4, 3), (5, 3), device="cuda", precision="bf16")
    assert "dense runs dense_bf16_cuda (tiles-bf16) on cuda" in text
    assert "dense_bf16_cuda for float32, precision 'bf16'" in text


@pytest.mark.parametrize("precision", ["fp8", 16, ["tf32"]])
def test_another_precision_is_refused(precision, refuses):
    with refuses(OptionError, "dense", "precision", "'tf32', 'bf16'", "None for full precision"):
        kernels.dense(values(2, 2), values(2, 2), precision=precision)
