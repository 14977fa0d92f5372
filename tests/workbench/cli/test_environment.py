"""Environment variables and files that a command cannot work with: one line, and exit code 2."""

import os
import subprocess
import sys

import pytest

COMMANDS = [
    ["info"],
    ["ops"],
    ["check", "relu"],
    ["bench", "relu"],
    ["train", "--epochs", "1"],
    ["inspect", "relu"],
    ["roofline"],
    ["eval", "nowhere"],
    ["predict", "nowhere", "x.png"],
    ["filter", "x.png", "--filter", "sharpen"],
]


def command_line(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_refuses_a_variable_without_meaning(arguments, tmp_path):
    done = command_line(*arguments, cwd=tmp_path, NUMBA_NUM_THREADS="abc")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "NUMBA_NUM_THREADS is 'abc'" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["check", "relu"], ["train", "--epochs", "1"]], ids=" ".join)
def test_a_threading_layer_that_is_not_installed(arguments, tmp_path):
    pytest.importorskip("numba")
    try:
        import numba.np.ufunc.tbbpool  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("tbb is installed")
    done = command_line(*arguments, cwd=tmp_path, NUMBA_THREADING_LAYER="tbb")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "NUMBA_THREADING_LAYER is 'tbb'" in line


def test_commands_work_on_compiled_kernels(tmp_path):
    done = command_line("check", "relu", "--examples", "2", cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if "NUMBA_DISABLE_JIT" in line]
    assert len(told) == 1
    assert "--device python" in told[0]
    assert "cpu" in done.stdout


def test_training_without_compilation_is_not_silent(tmp_path):
    # uncompiled, this would take minutes
    done = command_line("train", "--epochs", "1", "--data", "nowhere", cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 2
    assert "NUMBA_DISABLE_JIT" in done.stderr.splitlines()[0]
