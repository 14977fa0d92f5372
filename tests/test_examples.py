"""The examples run unchanged: their commands, their tests, and their notebook, which prints the output shown."""

import ast
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

EXAMPLES = Path(__file__).parents[1] / "examples"
KERNELS = sorted(EXAMPLES.glob("own_*.py"))
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def commands(file):
    """The commands in a file's docstring."""
    lines = (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()
    return [line.removeprefix("$ workbench ").split() for line in lines if line.startswith("$ workbench ")]


@pytest.fixture
def folder(tmp_path):
    """A copy of the examples."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(
    ("file", "command"),
    [pytest.param(file, command, id=f"{command[0]} {file.name}") for file in KERNELS for command in commands(file)],
)
def test_commands(file, command, folder, warm_workbench):
    done = warm_workbench(command, folder, os.environ | {"NUMBA_ENABLE_CUDASIM": "0"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert file.name in command
    assert done.stdout


def test_every_example_is_checked():
    assert KERNELS
    assert [file.name for file in KERNELS if "check" not in [command[0] for command in commands(file)]] == []


def test_its_own_tests_pass(folder):
    variables = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.name)
def test_a_notebook_prints_what_it_shows(notebook, monkeypatch):
    monkeypatch.setattr("workbench.target.decorator.declared", [])
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), names)
        shown = "".join(line for output in cell["outputs"] for line in output["text"])
        assert printed.getvalue() == shown, f"cell {number}"
