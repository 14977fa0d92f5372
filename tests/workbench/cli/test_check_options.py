"""Options of ``workbench check``: what is printed, where it stops, JUnit, and kernels that say nothing of themselves."""

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from workbench.checking import check_report

KERNELS = Path(__file__).parents[2] / "user_kernels"


PLAIN = """
import numpy as np
from workbench import implements

@implements("relu")
def wrong(x, y):
    y[...] = 1

@implements("relu")
def wrong_too(x, y):
    y[...] = x

@implements("relu")
def right(x, y):
    y[...] = np.where(x <= 0, 0, x)
"""


@pytest.fixture
def plain(tmp_path):
    """A folder with kernels that need no compilation."""
    (tmp_path / "plain.py").write_text(PLAIN)
    return tmp_path


@pytest.fixture
def check(warm_workbench):
    def run(*arguments, cwd=KERNELS):
        return warm_workbench(
            ["check", "--dtype", "float32", *arguments], cwd, os.environ | {"NUMBA_ENABLE_CUDASIM": "0"}
        )

    return run


def test_quiet_prints_failures_and_the_count(check, plain):
    right = check("plain.py:right", "--examples", "3", "--quiet", cwd=plain)
    assert (right.returncode, right.stdout) == (0, "1 pass\n")
    wrong = check("plain.py:wrong", "--examples", "3", "-q", cwd=plain)
    assert wrong.returncode == 1
    assert wrong.stdout.lstrip().startswith("wrong on cpu, float32: y[")
    assert wrong.stdout.endswith("1 fail\n")


def test_the_families_are_explained_on_request(check, plain):
    assert "blind to" not in check("plain.py:right", "--examples", "3", cwd=plain).stdout
    assert "blind to" in check("plain.py:right", "--examples", "3", "--verbose", cwd=plain).stdout


def test_exitfirst_stops_at_the_first_failure(check, plain):
    done = check("plain.py", "--examples", "3", "--exitfirst", "--quiet", cwd=plain)
    assert done.returncode == 1
    assert done.stdout.endswith("1 fail\n")


def test_junit_has_a_test_for_every_result(check, tmp_path):
    path = tmp_path / "results.xml"
    files = ("signatures.py", "wrong.py:gives_nothing")
    done = check(*files, "--dtype", "all", "--examples", "3", "--junit", str(path))
    assert done.returncode == 1
    suite = ElementTree.parse(path).getroot()
    tests = {test.get("name"): test for test in suite}
    assert int(suite.get("tests")) == len(tests) == 8
    assert (suite.get("failures"), suite.get("skipped")) == ("2", "3")
    failure = tests["gives_nothing float32 on cpu"].find("failure")
    assert failure.get("message").startswith("returns None")
    assert "replay" in failure.text
    assert tests["rows float64 on cpu"].find("skipped") is not None
    assert list(tests["rows float32 on cpu"]) == []


PRODUCT = """
from numba import njit


@njit
def product(A, B, C):
    for n in range(A.shape[0]):
        for m in range(B.shape[0]):
            total = A.dtype.type(0)
            for k in range(A.shape[1]):
                total += A[n, k] * B[m, k]
            C[n, m] = total
"""


def test_a_kernel_without_a_decorator_is_described_by_options(check, tmp_path):
    described = ("mine.py:product", "--op", "dense", "--names", "A=x,B=w,C=y", "--examples", "5")
    (tmp_path / "mine.py").write_text(PRODUCT)
    right = check(*described, cwd=tmp_path)
    assert right.returncode == 0
    assert "product: takes no b: checked at the default" in right.stdout
    (tmp_path / "mine.py").write_text(PRODUCT.replace("B[m, k]", "B[0, k]"))
    wrong = check(*described, cwd=tmp_path)
    assert wrong.returncode == 1
    assert "mine.py:product --op dense --names A=x,B=w,C=y --device cpu --replay" in wrong.stdout


ROW = {"op": "relu", "implementation": "mine", "device": "cpu", "dtype": "float32", "status": "pass", "examples": 3}


def row(**changes):
    return ROW | {"worst_share_of_bound": 0.5, "reason": "", "notes": [], "families": {}} | changes


def test_a_wide_table_leaves_out_what_is_told_elsewhere():
    name = "max_pool2d_backward_vectors_cpu"
    columns, lines = check_report.table([row(op="max_pool2d_backward", implementation=name)])
    assert columns == ("implementation", "dtype", "status", "examples", "error / bound")
    assert lines == [(name, "float32", "pass", 3, "0.500")]
    assert sum(max(len(column), len(str(cell))) for column, cell in zip(columns, lines[0], strict=True)) + 8 <= 80


def test_a_narrow_table_has_all_columns():
    assert check_report.table([row()])[0] == check_report.COLUMNS
    wide = row(op="max_pool2d_backward", implementation="a_kernel_of_mine_with_a_long_name")
    assert "operation" in check_report.table([wide])[0]


def test_a_failure_in_one_precision_is_told():
    rows = [row(), row(dtype="float64", status="fail")]
    assert check_report.one_precision(rows) == ["mine on cpu: wrong only in float64, right in float32"]
    assert check_report.one_precision([row(), row(dtype="float64")]) == []
    assert check_report.one_precision([row(status="fail"), row(dtype="float64", status="fail")]) == []
