"""File names and kernels of any letters, in a locale of ASCII."""

import os
import subprocess
import sys

import pytest

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

KERNEL = """
from numba import njit
from workbench import implements


@implements("relu")
@njit
def größer(x, y):
    source, target = x.reshape(x.size), y.reshape(x.size)
    for i in range(source.size):
        v = source[i]
        target[i] = x.dtype.type(0) if v <= 0 else v
"""


def workbench(folder, *words):
    command = [sys.executable, "-m", "workbench", *words]
    return subprocess.run(
        command, cwd=folder, env=os.environ | ASCII, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize("words", [("check", "--device", "cpu", "--examples", "3"), ("inspect",)])
def test_a_right_kernel_is_right_in_an_ascii_locale(tmp_path, words):
    (tmp_path / "küche.py").write_text(KERNEL, encoding="utf-8")
    done = workbench(tmp_path, words[0], "küche.py:größer", *words[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "größer" in done.stdout


def test_a_name_that_is_no_text_is_refused_in_one_line(tmp_path):
    name = os.fsdecode(b"k\xfcche.py")
    (tmp_path / name).write_text(KERNEL, encoding="utf-8")
    done = workbench(tmp_path, "inspect", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "is not text in utf-8; rename it" in done.stderr
