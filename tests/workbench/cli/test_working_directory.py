"""Files in the working directory, and beside a user's file, do not take the place of modules."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workbench

NAMES = """signal numpy kernels copy queue json click random struct socket secrets bisect statistics hypothesis numba rich
multiprocessing subprocess uuid tempfile platformdirs logging ctypes"""

MINE = """
import helper
from workbench import implements

@implements("relu")
def mine(x, y):
    y[:] = helper.positive(x)
"""


@pytest.fixture
def folder(tmp_path):
    for name in NAMES.split():
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} is shadowed')\n")
    (tmp_path / "helper.py").write_text("def positive(x):\n    return x.clip(0)\n")
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def assert_runs(folder, *arguments, codes=(0,)):
    done = subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "shadowed" not in done.stdout + done.stderr
    assert done.returncode in codes, done.stderr
    return done


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        ["info"],
        ["check", "mine.py", "--examples", "3", "--dtype", "float32"],
        ["check", "mine.py", "--examples", "3", "--dtype", "float32", "--device", "python"],
        ["bench", "mine.py", "--case", "x=64", "--budget", "0.1", "--dtype", "float32"],
        ["inspect", "relu"],
    ],
    ids=" ".join,
)
def test_a_file_beside_the_user_hides_no_module(arguments, folder):
    assert_runs(folder, *arguments, codes=(0, 1) if arguments[0] == "bench" else (0,))


def test_training_beside_such_files(folder):
    done = assert_runs(folder, "train", "--data", "nowhere", codes=(2,))
    assert "nowhere" in done.stderr


def test_a_source_checkout_that_is_not_installed(folder):
    (folder / "kernels.py").unlink()
    root = Path(workbench.__file__).parents[1]
    for name in ("kernels", "workbench"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    # without the hook by which an editable installation is found
    code = """
import sys
sys.meta_path[:] = [each for each in sys.meta_path if "editable" not in repr(each).lower()]
sys.argv[:] = ["-m", *sys.argv[1:]]
import runpy
runpy.run_module("workbench", run_name="__main__", alter_sys=True)
"""
    command = [sys.executable, "-c", code, "check", "mine.py", "--examples", "3", "--dtype", "float32"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, "shadowed" in done.stderr) == (0, False), done.stderr
