"""``python -m benchmarks.suite_times [FILE|FOLDER...]``: how long tests take that compiling bounds, in both simulators.

Without arguments, tests that numba-cuda installs. They run three times: in numba-cuda's own simulator, in this one with no
kernels on disk, and in this one again. Seconds of the processor are printed, as a machine may be loaded.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import click

INSTALLED = """
array_args array_methods blackscholes complex constmem forall intrinsics laplace matmul operator powi sync warp_ops
"""
"""numba-cuda's tests that run in its own simulator, by the names of their files."""

PLUGIN = """
import sys, types
from importlib.util import find_spec
import pytest

if find_spec("filecheck") is None:  # numba.cuda.testing imports it; the tests here do not use it
    for name in ("", ".finput", ".matcher", ".options", ".parser", ".pattern"):
        module = types.ModuleType("filecheck" + name)
        module.__getattr__ = lambda _name: type("Absent", (), {})
        sys.modules["filecheck" + name] = module

@pytest.fixture(scope="class")
def initialize_from_pytest_config():
    pass
"""


@click.command()
@click.argument("tests", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(tests: tuple[Path, ...]) -> None:
    """Run the tests in both simulators."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "suite_plugin.py").write_text(PLUGIN, encoding="utf-8")
        for each in tests or _installed():
            copy = shutil.copytree if each.is_dir() else shutil.copy
            copy(each, folder / each.name)
        own = ["-p", "workbench.sim.plugin"]
        for label, options in (("numba-cuda's simulator", []), ("this one, first", own), ("this one, later", own)):
            seconds, summary = _run(folder, options)
            click.echo(f"{label:<24} {seconds:7.1f} s  {summary}")


def _installed() -> list[Path]:
    spec = find_spec("numba.cuda")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise click.UsageError("numba-cuda is not installed")
    return [Path(places[0]) / "tests" / "cudapy" / f"test_{each}.py" for each in INSTALLED.split()]


def _run(folder: Path, options: list[str]) -> tuple[float, str]:
    """Run pytest in a folder; return the seconds of the processor that it took, and its last line."""
    path = f"{folder}{os.pathsep}{Path.cwd()}"
    own_kernels = {"NUMBA_SUITE": folder.name}  # part of every kernel's fingerprint: none is on disk at first
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": path} | own_kernels
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "suite_plugin"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, *options, str(folder)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    last = (done.stdout.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    return seconds, re.sub(r"=+ ?| in [\d.]+s.*", "", last)


if __name__ == "__main__":
    main()
