"""Operations whose outputs are integers: counts, positions and bytes."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kernels import OPS, DtypeError
from kernels.call import registry
from kernels.call.dispatch import run
from kernels.declare.errors import OptionError
from kernels.declare.op import Input
from workbench.checking import InProcess, check, users
from workbench.oracle.bounds import oracle
from workbench.oracle.declaration import check_declaration
from workbench.oracle.poison import POISONS, poisoned
from workbench.target.binding import WrongResult, implementation
from workbench.target.decorator import make_kernel

FILE = Path(__file__).parents[2] / "user_kernels" / "whole.py"

OPERATIONS = ("HISTOGRAM", "ARGMAX", "NEGATIVE")

VERDICTS = {
    ("HISTOGRAM", "counts"): "",
    ("HISTOGRAM", "adds_to_former"): "added to what y held before the call; set y first",
    ("ARGMAX", "first_of_largest"): "",
    ("ARGMAX", "last_of_largest"): "must equal the reference",
    ("NEGATIVE", "negates"): "",
    ("NEGATIVE", "stops_short"): "never written",
    ("NEGATIVE", "widens"): "returns y of dtype float64; needs uint8",
}
ON_CUDA = {
    ("HISTOGRAM", "counts_cuda"): "",
    ("HISTOGRAM", "races_cuda"): "race: two threads touch y[",
    ("ARGMAX", "first_cuda"): "",
    ("ARGMAX", "last_cuda"): "must equal the reference",
}
LAUNCHES = {"ARGMAX": {"grid": lambda y: -(-y.size // 32), "block": 32}}


@pytest.fixture
def whole():
    """The file as a module; the registry is restored after each test."""
    return SimpleNamespace(**runpy.run_path(str(FILE)))


def judged(whole, op, name, label):
    launch = LAUNCHES.get(op, {}) if label != "cpu" else {}
    subject = users(make_kernel(getattr(whole, name), getattr(whole, op), device=None, **launch), label)
    result = check(subject, InProcess(subject), dtype="float32", examples=20, shrink=False)
    return result.status, result.reason


@pytest.mark.parametrize(("op", "name"), VERDICTS)
def test_right_and_wrong_kernels(op, name, whole):
    status, reason = judged(whole, op, name, "cpu")
    assert status == ("fail" if VERDICTS[op, name] else "pass"), reason
    assert VERDICTS[op, name] in reason


@pytest.mark.parametrize(("op", "name"), ON_CUDA)
def test_right_and_wrong_cuda_kernels(op, name, whole, cuda):
    if cuda.label == "cuda" and name == "races_cuda":
        pytest.skip("a race need not show on a GPU")
    status, reason = judged(whole, op, name, cuda.label)
    assert status == ("fail" if ON_CUDA[op, name] else "pass"), reason
    assert ON_CUDA[op, name] in reason


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_declarations_hold(name, whole):
    assert check_declaration(getattr(whole, name), examples=10) == ()


def test_a_reference_that_leaves_integers_unwritten_is_found(whole):
    def stops_short(x, y):
        whole.negative_reference(x, y.copy())

    findings = check_declaration(replace(whole.NEGATIVE, reference=stops_short), examples=10)
    assert any("depends on what the output held before" in each.reason for each in findings)


def test_an_integer_that_depends_on_rounding_is_no_declaration(whole):
    def rounds(x, y):
        for n in range(x.shape[0]):
            total = x.dtype.type(0)
            for k in range(x.shape[1]):
                total += x[n, k] * x.dtype.type(0.1)
            y[n] = np.int32(np.floor(total * 1000)) if np.isfinite(total) and abs(total) < 1e6 else 0

    findings = check_declaration(replace(whole.ARGMAX, reference=rounds), examples=10)
    assert any("must not depend on rounding" in each.reason for each in findings)


def test_integers_must_be_equal(whole):
    truth = oracle(whole.HISTOGRAM, {"x": np.array([3, 3, 0], np.uint8)}, {}, np.dtype(np.float32))
    right = np.bincount([3, 3, 0], minlength=256)
    assert truth.shares(0, right).max() == 0
    right[5] += 1
    assert truth.shares(0, right).max() == np.inf


def test_dispatch_allocates_and_asks_for_the_dtype(whole):
    registry.register(implementation(make_kernel(whole.counts, "histogram", device=None)), preferred=True)
    x = np.array([1, 1, 7], np.uint8)
    y = run("histogram", {"x": x}, {})
    assert (y.dtype, y[1], y[7], y.sum()) == (np.dtype("int64"), 2, 1, 3)
    assert run("histogram", {"x": x[::-1]}, {}).sum() == 3
    out = np.empty(256, np.int64)
    assert run("histogram", {"x": x}, {}, out=out) is out
    with pytest.raises(DtypeError, match=r"out has dtype float32; needs int64$"):
        run("histogram", {"x": x}, {}, out=np.empty(256, np.float32))


def test_a_number_with_a_fraction_is_no_integer(whole):
    op = replace(whole.ARGMAX, name="count", output_shapes=lambda _shapes, _options: ((),))
    OPS["count"] = op
    call = implementation(make_kernel(lambda x: x.sum() / 2, "count", device="cpu")).function
    with pytest.raises(WrongResult, match="returns a float64 for y; needs an array"):
        call(np.ones((2, 3)), np.zeros((), np.int32))


def test_bytes_are_counted_as_they_are(whole):
    assert whole.HISTOGRAM.cost({"x": (1000,)}, {}, 4).bytes == 1000 + 256 * 8


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_two_calls_begin_with_other_integers(dtype):
    first, second = (poisoned((3,), np.dtype(dtype), each) for each in POISONS)
    assert first.dtype == np.dtype(dtype)
    assert np.all(first != second)


@pytest.mark.parametrize("dtype", ["float32", "words", "bool"])
def test_only_integers_are_declared(dtype, whole):
    with pytest.raises(OptionError, match="needs an integer dtype such as 'int64' or 'uint8'"):
        replace(whole.HISTOGRAM, output_dtypes={"y": dtype})
    with pytest.raises(OptionError, match="needs an integer dtype"):
        Input(name="x", dtype=dtype)
    with pytest.raises(OptionError, match="'z', which is no output"):
        replace(whole.HISTOGRAM, output_dtypes={"z": "int64"})
