"""Calls on arrays of more than 2**31 bytes, at a smaller limit: made where the kernel is, judged at some elements."""

import numpy as np
import pytest
from numba import njit

from kernels import OPS
from workbench.cases import named_cases
from workbench.checking import InProcess, check, check_case, engine, users
from workbench.checking.check_request import CheckRequest
from workbench.checking.check_run import check_targets
from workbench.oracle import spot as spots
from workbench.oracle.spot import CUTS, enlarged
from workbench.sampling import Case, case
from workbench.target.decorator import make_kernel
from workbench.target.resolve import parse_targets


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    """Arrays of more than 2**20 bytes count as huge, and are judged at some elements."""
    for module in (spots, engine):
        monkeypatch.setattr(module, "LARGE_BYTES", 2**20)
    monkeypatch.setattr(spots, "FEW_FLOPS", 10_000)
    monkeypatch.setattr(case, "REPEATED", 16_381)


@njit
def right(x, y):
    values, results = x.ravel(), y.reshape(-1)
    for i in range(values.size):
        results[i] = max(values[i], np.float32(0)) if values[i] == values[i] else values[i]


@njit
def wraps(x, y):
    values, results = x.ravel(), y.reshape(-1)
    for i in range(values.size):
        value = values[i % 2**18]
        results[i] = max(value, np.float32(0)) if value == value else value


@njit
def raises(x, y):
    if x.size > 2**18:
        raise ValueError("too large")
    right(x, y)


def judged(function):
    subject = users(make_kernel(function, "relu", device="cpu"), "cpu")
    return check(subject, InProcess(subject), dtype="float32", examples=20, huge=True)


def test_a_right_kernel_is_right_on_huge_arrays_and_the_report_says_which():
    result = judged(right)
    assert result.status == "pass", result.reason
    (note,) = result.notes
    assert note.startswith("right on arrays of more than 1,048,576 bytes (x (")


def test_an_offset_that_wraps_around_is_found_and_replayed():
    result = judged(wraps)
    assert result.status == "fail"
    assert " times the bound" in result.reason or " is " in result.reason
    subject, found = (
        users(make_kernel(wraps, "relu", device="cpu"), "cpu"),
        Case.from_token(result.counterexample.replay),
    )
    assert 4 * np.prod(found.shapes["x"]) > 2**20
    assert check_case(subject, InProcess(subject), found, ("watch",)).status == "fail"
    subject = users(make_kernel(right, "relu", device="cpu"), "cpu")
    assert check_case(subject, InProcess(subject), found, ("watch",)).status == "pass"


def test_an_exception_on_huge_arrays_is_the_reason():
    assert judged(raises).reason.startswith("raises ValueError: too large")


def test_what_does_not_fit_into_memory_is_told(monkeypatch):
    monkeypatch.setattr(engine, "memory_bytes", lambda: 2**21)
    result = judged(wraps)
    assert result.status == "pass"
    assert "this takes" in result.notes[0]


@pytest.mark.parametrize("op", CUTS)
def test_a_call_is_enlarged_beyond_the_limit_and_no_further_than_needed(op):
    smallest = min(named_cases(op), key=lambda each: OPS[op].flops(each.shapes, each.options))
    shapes = enlarged(OPS[op], smallest.shapes, smallest.options, 4)
    sizes = [4 * int(np.prod(each)) for each in (*shapes.values(), *OPS[op].output_shapes(shapes, smallest.options))]
    assert 2**20 < max(sizes) < 2**21


WRAPS = """
from numba import njit
from workbench import implements

@implements("relu", dtypes=("float32",))
@njit
def wraps(x, y):
    values, results = x.ravel(), y.reshape(-1)
    for i in range(values.size):
        value = values[i % 2**18]
        results[i] = value if value > 0 or value != value else 0.0
"""


def test_the_arrays_of_a_file_s_kernel_are_made_in_its_process(tmp_path, monkeypatch):
    monkeypatch.setattr(case, "REPEATED", 16_777_213)  # as in that process
    file = tmp_path / "wraps.py"
    file.write_text(WRAPS)
    request = CheckRequest(targets=parse_targets([str(file)]), dtypes=("float32",), examples=8, huge=True)
    (row,), _ = check_targets(request)
    assert row["status"] == "fail", row
    assert 4 * np.prod(row["counterexample"]["shapes"]["x"]) > 2**20
