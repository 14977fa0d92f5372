"""The script that runs other projects' tests: its table, its exit code, and what it says of what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.plain

TESTS = """
import numpy as np
from numba import cuda

@cuda.jit
def all_write(x):
    x[0] = cuda.grid(1)

def test_right():
    x = cuda.to_device(np.ones(1))
    all_write[1, 1](x)
    assert x.copy_to_host()[0] == 0

def test_racy():
    all_write[1, 2](np.zeros(1))

def test_wrong():
    assert 1 == 2

def test_left_out():
    assert 2 == 3
"""


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks.public_suites", *map(str, arguments)]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of which these tests need none
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], env=environment)


def test_a_folder_is_run_and_counted(tmp_path):
    (tmp_path / "test_theirs.py").write_text(TESTS)
    done = run("--folder", tmp_path, "--reference", "--only", "not left_out")
    assert done.returncode == 1, done.stderr
    rows = [
        line.split()[1:6] for line in done.stdout.splitlines() if line.startswith(tmp_path.name) and ":" not in line
    ]
    assert rows == [["sim", "1", "2", "0", "1"], ["numba-cuda", "2", "1", "0", "0"]]
    assert (
        "failed: test_theirs.test_racy: workbench.sim.common.errors.KernelHazard: race in kernel all_write"
        in done.stdout
    )


def test_what_is_not_there_is_said(tmp_path):
    done = run(tmp_path, "--suite", "cubie")
    assert done.returncode == 0
    assert "not installed: cubie" in done.stdout or "no sources of cubie" in done.stdout
