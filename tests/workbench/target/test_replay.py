"""A failure is found again: by its token, by its seed, from the arrays that it was saved with, in a test suite."""

import json
import subprocess
import sys

import numpy as np
import pytest

from kernels import OPS
from tests.workbench.target.user import KERNELS, environment, replay_command
from workbench.sampling import Case


def test_from_failure_to_replay_to_green(check, tmp_path):
    kernel = tmp_path / "my_dense.py"
    kernel.write_text((KERNELS / "broken.py").read_text())
    failed = check("my_dense.py:my_dense", "--op", "dense", "--examples", "40", cwd=tmp_path)
    assert failed.row["status"] == "fail"
    arguments = replay_command(failed.out)
    assert arguments[:5] == ["my_dense.py:my_dense", "--op", "dense", "--device", "cpu"]
    again = check(*arguments, cwd=tmp_path)
    for same in ("status", "reason"):
        assert again.row[same] == failed.row[same]
    of_other_cases = {"where", "reach"}
    for name in failed.row["counterexample"].keys() - of_other_cases:
        assert again.row["counterexample"][name] == failed.row["counterexample"][name]
    kernel.write_text(kernel.read_text().replace("range(x.shape[0] - 1)", "range(x.shape[0])"))
    green = check(*arguments, cwd=tmp_path)
    assert (green.code, green.row["status"], green.row["examples"]) == (0, "pass", 1)


def test_the_same_seed_finds_the_same_case(check):
    kernel = ("wrong.py:forgets_the_last_column", "--examples", "10", "--seed", "7")
    assert check(*kernel).row == check(*kernel).row


@pytest.mark.parametrize("target", [("renamed.py",), ("renamed.py:zeros",), ("renamed.py:doubled", "--op", "relu")])
def test_replay_of_a_kernel_that_goes_by_another_name(check, target):
    failed = check(*target, "--examples", "10")
    assert check(*replay_command(failed.out)).row["status"] == "fail"


def test_the_failing_arrays_are_saved(check, tmp_path):
    path = tmp_path / "failure.npz"
    failed = check("wrong.py:forgets_the_last_column", "--examples", "20", "--save", path)
    assert str(path) in failed.err
    with np.load(path) as saved:
        arrays = dict(saved)
    token = failed.row["counterexample"]["replay"]
    assert (str(arrays["op"]), str(arrays["token"]), str(arrays["reason"])) == ("dense", token, failed.row["reason"])
    assert json.loads(str(arrays["options"])) == {}
    for name, values in Case.from_token(token).arrays().items():
        np.testing.assert_array_equal(arrays[name], values)
        assert arrays[name].dtype == np.float32
    expected = np.full_like(arrays["expected_y"], np.nan)
    OPS["dense"].reference(*(arrays[name].astype(np.float64) for name in ("x", "w", "b")), expected)
    np.testing.assert_allclose(arrays["expected_y"], expected, rtol=1e-12)
    assert np.any(np.abs(arrays["got_y"] - arrays["expected_y"]) > arrays["bound_y"])


def test_what_a_kernel_prints_is_seen_in_a_replay(check, tmp_path):
    (tmp_path / "talks.py").write_text("def relu(x, y):\n    print('I see', x.shape)\n    y[...] = 1\n")
    failed = check("talks.py:relu", "--examples", "5", cwd=tmp_path)
    assert "I see" not in failed.out + failed.err
    assert "I see (1,)" in check(*replay_command(failed.out), cwd=tmp_path).err


# From a test suite

SUITE = """
import numpy as np
import pytest
from numba import njit

from workbench.testing import assert_matches_reference


def kernel_above(threshold):
    @njit
    def rectify(x, y):
        for i in range(x.size):
            y.flat[i] = x.flat[i] if not x.flat[i] <= threshold else 0

    return rectify


def test_right():
    assert_matches_reference(kernel_above(0), op="relu", dtype="float32", examples=20)


def test_right_in_plain_python():
    assert_matches_reference(kernel_above(0), op="relu", device="python", dtype="float64", examples=5)


def test_wrong():
    assert_matches_reference(kernel_above(0.25), op="relu", dtype="float32", examples=40)


def test_wrong_again():
    with pytest.raises(AssertionError) as caught:
        assert_matches_reference(kernel_above(0.25), op="relu", dtype="float32", examples=40)
    text = str(caught.value)
    token = text.split("replay=")[1].split("'")[1]
    with pytest.raises(AssertionError) as again:
        assert_matches_reference(kernel_above(0.25), op="relu", replay=token)
    assert str(again.value).splitlines()[0] == text.splitlines()[0]
    assert_matches_reference(kernel_above(0), op="relu", replay=token)


def test_returning():
    assert_matches_reference(lambda x: np.where(x <= 0, x.dtype.type(0), x), op="relu", examples=10)


def test_not_accepted():
    @njit("void(float32[::1], float32[::1])")
    def flat(x, y):
        y[:] = x

    with pytest.raises(AssertionError, match="nothing was checked: its signatures do not take float64"):
        assert_matches_reference(flat, op="relu", dtype="float64", examples=20)
"""


@pytest.mark.long
def test_a_users_own_test_suite(tmp_path):
    (tmp_path / "test_mine.py").write_text(SUITE)
    words = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--color=no", "test_mine.py"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 5 passed" in done.stdout
    for words in (
        "FAILED test_mine.py::test_wrong - AssertionError: rectify on cpu, float32: y[",
        "must equal the reference",
        "the smallest failing case found, after ",
        "shapes    x (1,)",
        "values    ",
        "bound 0.0",
        "replay    assert_matches_reference(..., replay='",
    ):
        assert words in done.stdout
