"""Inputs of integers, and inputs with a range: what is drawn, and operations that have them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from kernels import OPS, DtypeError, register
from kernels.call import registry
from kernels.call.dispatch import run
from kernels.declare.op import Input, Op
from kernels.declare.rounding import Sum
from workbench.checking import InProcess, check, users
from workbench.oracle.declaration import check_declaration
from workbench.sampling import FAMILIES, Case
from workbench.sampling.ranges import draw_integers, into_range
from workbench.target.binding import implementation
from workbench.target.decorator import make_kernel


def grey_reference(image, weights, y):
    for n in range(image.shape[0]):
        for k in range(image.shape[1]):
            total = y.dtype.type(0)
            for c in range(image.shape[2]):
                total += image[n, k, c] * weights[c]
            y[n, k] = total


GREY = Op(
    name="grey",
    summary="the weighted sum of the channels of an image",
    inputs=(
        Input(name="image", axes=("N", "P", "C"), dtype="uint8"),
        Input(name="weights", axes=("C",), low=0, high=1),
    ),
    outputs=("y",),
    output_shapes=lambda shapes, _options: (shapes["image"][:2],),
    flops=lambda shapes, _options: 2 * shapes["image"][0] * shapes["image"][1] * shapes["image"][2],
    rounding=Sum(lambda shapes, _options: (shapes["image"][2],), magnitudes=("image", "weights")),
    reference=grey_reference,
    linear_in=("weights",),
)


@pytest.fixture(autouse=True)
def _grey(monkeypatch):
    monkeypatch.setitem(OPS, "grey", GREY)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", None, None), ("int16", -5, 7), ("int64", None, None)])
def test_integers_have_their_dtype_and_range(family, dtype, low, high):
    item = Input(name="image", dtype=dtype, low=low, high=high)
    drawn = draw_integers(np.random.default_rng(1), family, (200,), item)
    limits = np.iinfo(dtype)
    assert drawn.dtype == dtype
    assert drawn.min() >= (limits.min if low is None else low)
    assert drawn.max() <= (limits.max if high is None else high)


def test_the_ends_of_a_range_are_drawn():
    item = Input(name="image", dtype="uint8")
    assert {0, 255} <= set(draw_integers(np.random.default_rng(1), "special", (200,), item).tolist())


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1),
    st.none() | st.floats(-10, 10),
    st.none() | st.floats(11, 20),
)
def test_values_lie_in_their_range(values, low, high):
    array = np.array(values)
    moved = into_range(array, Input(name="x", low=low, high=high))
    assert low is None or moved.min() >= low
    assert high is None or moved.max() <= high
    inside = (array >= (-np.inf if low is None else low)) & (array <= (np.inf if high is None else high))
    np.testing.assert_allclose(moved[inside], array[inside], atol=1e-9)


def case(family="normal"):
    shapes = {"image": (2, 5, 3), "weights": (3,)}
    return Case(op="grey", dtype="float32", shapes=shapes, options={}, family=family, seed=3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_case_has_integers_and_values_in_range(family):
    arrays = case(family).arrays()
    assert (arrays["image"].dtype, arrays["weights"].dtype) == (np.uint8, np.float32)
    assert np.all((arrays["weights"] >= 0) & (arrays["weights"] <= 1))


def test_the_declaration_is_right():
    assert check_declaration(GREY, examples=15) == ()
    wrong = replace(GREY, linear_in=("image",))
    assert check_declaration(wrong, examples=5)[0].what == "names"


@njit
def right(image, weights, y):
    for n in range(image.shape[0]):
        for k in range(image.shape[1]):
            total = y.dtype.type(0)
            for c in range(image.shape[2]):
                total += weights[c] * y.dtype.type(image[n, k, c])
            y[n, k] = total


@njit
def wraps_around(image, weights, y):
    for n in range(image.shape[0]):
        for k in range(image.shape[1]):
            total = y.dtype.type(0)
            for c in range(image.shape[2]):
                total += weights[c] * y.dtype.type(np.uint8(image[n, k, c] + np.uint8(1)) - 1)
            y[n, k] = total


@pytest.mark.parametrize(("function", "status"), [(right, "pass"), (wraps_around, "fail")])
def test_kernels_on_bytes_are_judged(function, status):
    subject = users(make_kernel(function, "grey", device=None, grid=None, block=None, shared=0), "cpu")
    assert check(subject, InProcess(subject), dtype="float32", examples=40).status == status


def test_dispatch_takes_this_dtype_only(request):
    adapted = implementation(make_kernel(right, "grey", device=None, grid=None, block=None, shared=0))
    register(adapted)
    request.addfinalizer(lambda: registry.unregister(adapted))
    image, weights = np.full((1, 2, 3), 200, np.uint8), np.ones(3, np.float32)
    np.testing.assert_array_equal(run("grey", {"image": image, "weights": weights}, {}), [[600, 600]])
    with pytest.raises(DtypeError, match="image has dtype float32; needs uint8"):
        run("grey", {"image": image.astype(np.float32), "weights": weights}, {})
    assert GREY.cost({"image": (1, 2, 3), "weights": (3,)}, {}, 4).bytes == 6 + 12 + 8
