"""The verdict on numbers: which errors are allowed and which are not; the bounds are narrow enough to find faults."""

import numpy as np
import pytest

from kernels import OPS
from kernels.declare.rounding import Exact, gamma
from kernels.declare.shapes import normal_options
from workbench.oracle.bounds import Oracle, oracle
from workbench.sampling.ranges import into_range

SINGLE = np.dtype("float32")
UNIT = 2.0**-24
TINY = float(np.finfo(SINGLE).smallest_subnormal)
LARGEST = float(np.finfo(SINGLE).max)
NAN, INF = float("nan"), float("inf")


def test_gamma():
    assert gamma(0, UNIT) == 0
    assert gamma(1, UNIT) == 2**-24 / (1 - 2**-24)
    assert gamma(1000, UNIT) == pytest.approx(1000 * UNIT, rel=1e-4)
    assert gamma(1000, UNIT) > 1000 * UNIT


def judged(x, w, b, got, dtype=SINGLE):
    """The shares of the bound of ``dense`` on one sample."""
    inputs = {"x": np.array([x], dtype), "w": np.array(w, dtype), "b": np.array(b, dtype)}
    return oracle(OPS["dense"], inputs, {}, dtype).shares(0, np.array([got], dtype))[0]


def test_bound_of_a_sum():
    inputs = {"x": np.array([[0.1, 2]], SINGLE), "w": np.array([[3, -4]], SINGLE), "b": np.array([0.5], SINGLE)}
    truth = oracle(OPS["dense"], inputs, {}, SINGLE)
    first = float(np.float32(0.1)) * 3
    assert truth.expected[0] == first - 8 + 0.5
    oracle_too = 1 + 2.0**-29  # room for the error of the oracle itself, in float64
    assert truth.bounds[0] == pytest.approx(oracle_too * (gamma(3, UNIT) * (first + 8 + 0.5) + 3 * TINY), rel=1e-15)
    assert truth.expected[0].dtype == np.float64


@pytest.mark.parametrize("got", [5, NAN, -INF, LARGEST])
def test_an_infinite_input_gives_its_infinity(got):
    assert judged([INF, 1], [[1, 2]], [0], [INF]) == 0
    assert judged([INF, 1], [[1, 2]], [0], [got]) == INF
    assert judged([INF, -INF], [[1, 1]], [0], [NAN]) == 0
    assert judged([INF, -INF], [[1, 1]], [0], [INF]) == INF


def test_integers_have_no_tolerance():
    assert judged([1, 2], [[3, 4]], [5], [16]) == 0
    assert judged([1, 2], [[3, 4]], [5], [np.nextafter(np.float32(16), np.float32(17))]) == INF
    limit = 2.0**24
    assert judged([limit], [[1]], [0], [limit + 2]) < INF  # past the integers that float32 holds
    assert judged([limit - 1], [[1]], [0], [limit - 2]) == INF


@pytest.mark.parametrize(
    ("expected", "got", "share"),
    [
        pytest.param(1, 1.5, 0.5, id="half the bound"),
        pytest.param(1, 0, 1, id="the bound"),
        pytest.param(1, 11, 10, id="ten times the bound"),
        pytest.param(1, NAN, INF, id="NaN for a number"),
        pytest.param(1, INF, INF, id="inf for a number"),
        pytest.param(NAN, NAN, 0, id="NaN"),
        pytest.param(NAN, 1, INF, id="a number for NaN"),
        pytest.param(NAN, INF, INF, id="inf for NaN"),
        pytest.param(INF, INF, 0, id="inf"),
        pytest.param(INF, -INF, INF, id="the wrong inf"),
        pytest.param(INF, LARGEST, INF, id="a number for inf"),
        pytest.param(INF, NAN, INF, id="NaN for inf"),
        pytest.param(1e39, INF, 0, id="overflow"),
        pytest.param(-1e39, -INF, 0, id="overflow, negative"),
        pytest.param(1e39, LARGEST, INF, id="overflow clipped"),
        pytest.param(1e39, -INF, INF, id="overflow to the wrong side"),
    ],
)
def test_shares(expected, got, share):
    truth = Oracle(expected=(np.array([expected], float),), bounds=(np.array([1.0]),), dtype=SINGLE)
    assert truth.shares(0, np.array([got], SINGLE)) == share


def test_without_a_bound_only_equality_will_do():
    truth = Oracle(expected=(np.array([0.0, 1.0]),), bounds=(np.zeros(2),), dtype=SINGLE)
    np.testing.assert_array_equal(truth.shares(0, np.array([-0.0, 1.0], SINGLE)), [0, 0])
    np.testing.assert_array_equal(truth.shares(0, np.array([TINY, 1 + 2 * UNIT], SINGLE)), [INF, INF])


def test_underflow_is_allowed_for():
    assert 0 < judged([1e-30], [[1e-30]], [0], [0]) <= 1
    assert judged([1e-30], [[1e-30]], [0], [1e-40]) > 10


WINDOWS = {
    "conv2d": {"x": (2, 4, 5, 5), "w": (4, 4, 3, 3), "b": (4,), "dy": (2, 4, 3, 3)},
    "pool2d": {"x": (2, 3, 6, 6), "dy": (2, 3, 4, 4)},
    "batch_norm": {"x": (2, 20, 3, 3), "dy": (2, 20, 3, 3)},
}
OPTIONS = {"pool": {"kernel_size": 3, "stride": 1}, "dropout": {"p": 0.3, "seed": 1}}
"""By a part of the operation's name."""


def normal_call(name, dtype):
    """Inputs of ordinary size and options for every operation."""
    op, rng = OPS[name], np.random.default_rng(0)
    windows = WINDOWS.get("pool2d" if "pool" in name else name.removesuffix("_backward").removesuffix("_inference"), {})
    inputs = {}
    for item in op.inputs:
        shape = windows.get(item.name) or tuple(5 if axis == "N" else 20 for axis in item.axes or ("N", "K"))
        values = rng.integers(0, 20, shape) if item.kind == "index" else rng.standard_normal(shape).astype(dtype)
        inputs[item.name] = into_range(values, item)
    given = next((options for part, options in OPTIONS.items() if part in name), {})
    return inputs, normal_options(op, given, {key: array.shape for key, array in inputs.items()})


def run(name, inputs, options, dtype):
    """The reference with every operation rounded to ``dtype``."""
    op = OPS[name]
    given = [array if array.dtype.kind == "i" else array.astype(dtype) for array in inputs.values()]
    shapes = op.output_shapes({key: array.shape for key, array in inputs.items()}, options)
    outputs = [np.zeros(shape, dtype) for shape in shapes]
    op.reference(*given, *op.option_values(options), *outputs)
    return outputs


ROUNDED = [name for name, op in OPS.items() if not isinstance(op.rounding, Exact)]


@pytest.mark.parametrize("name", ROUNDED)
def test_half_precision_does_not_pass_for_single(name):
    """The bounds are not vacuous: 13 bits fewer are seen at once."""
    inputs, options = normal_call(name, "float16")  # the inputs themselves are exact in either precision
    truth = oracle(
        OPS[name], {key: a.astype(SINGLE) if a.dtype.kind == "f" else a for key, a in inputs.items()}, options, SINGLE
    )
    for position, got in enumerate(run(name, inputs, options, "float16")):
        assert truth.shares(position, got.astype(SINGLE)).max() > 10
    for position, got in enumerate(run(name, inputs, options, SINGLE)):
        assert truth.shares(position, got).max() <= 1


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ten_times_the_bound_fails(name, dtype):
    inputs, options = normal_call(name, dtype)
    truth = oracle(OPS[name], inputs, options, np.dtype(dtype))
    for position, (expected, bound) in enumerate(zip(truth.expected, truth.bounds, strict=True)):
        smallest = np.abs(expected) * np.finfo(dtype).eps * 10  # where nothing rounds, ten units in the last place
        got = (expected + np.maximum(10 * bound, smallest)).astype(dtype)
        moved = expected != 0
        assert moved.any()
        assert np.all(truth.shares(position, got)[moved | (bound > 0)] > 9)


@pytest.mark.skipif(np.finfo(np.longdouble).eps >= 2**-52, reason="long double is no wider than double here")
def test_double_is_judged_in_extended_precision():
    inputs, options = normal_call("dense", "float64")
    truth = oracle(OPS["dense"], inputs, options, np.dtype("float64"))
    assert truth.expected[0].dtype == truth.bounds[0].dtype == np.longdouble


def test_without_extended_precision_the_bound_doubles(monkeypatch):
    inputs, options = normal_call("dense", "float64")
    wide = oracle(OPS["dense"], inputs, options, np.dtype("float64"))
    monkeypatch.setattr(np, "longdouble", np.float64)
    narrow = oracle(OPS["dense"], inputs, options, np.dtype("float64"))
    assert narrow.expected[0].dtype == np.float64
    np.testing.assert_allclose(narrow.bounds[0], 2 * wide.bounds[0].astype(float), rtol=1e-3)
