"""Run other projects' GPU tests in the simulator, unmodified: ``python -m benchmarks.public_suites SOURCES``.

SOURCES is a folder with the projects' sources, as archives or unpacked, which this script only reads. It fetches and
installs nothing. What can be run, and how to get it:

    pip install stumpy pandas polars      pip download --no-deps --no-binary stumpy stumpy
    pip install cubie scipy pandas        pip download --no-deps --no-binary cubie cubie
    pip install filecheck psutil cffi     (numba-cuda's own tests come with it)

Any other folder with tests, of minitorch or of GPU-Puzzles for instance, is run with ``--folder``. For each suite the table
has the tests that passed, failed and were skipped, those that a hazard failed, and the seconds; with ``--reference``, also
in numba-cuda's own simulator. The exit code is 1 if a test failed that is not expected to.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

SECONDS = 1800.0
HAZARD = re.compile(r"KernelHazard: ([\w-]+)")


NUMBA_CUDA = """
array array_args array_methods atomics blackscholes boolean casting complex_kernel
constmem cooperative_groups device_func enums fastmath forall freevar globals idiv
intrinsics iterators lang laplace localmem mandel math matmul minmax montecarlo nondet
operator powi random record_dtype recursion reduction sm slicing sync transpose
vector_type vectorize warp_ops
"""
"""The test files of numba-cuda that launch kernels; others look at its compiler, its driver, or the machine."""


CONFTEST = """
import pytest

@pytest.fixture(scope="class")
def initialize_from_pytest_config(request):
    request.cls._dump_failed_filechecks = False
"""
"""The fixture of numba-cuda's own conftest.py, which is not in its package."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A project's tests.

    Attributes
    ----------
    name : of the project's package, and the beginning of its archive's name; empty: the tests are in the package
    tests : the test files, relative to the sources; none for all
    settings : of the simulator
    options : further arguments of pytest
    expected : what the code is known to do, with the line: why a setting is needed, or which tests fail and why
    fails : the tests that are expected to fail, by parts of their names
    needs : the packages that must be installed
    """

    name: str
    tests: tuple[str, ...]
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


SUITES = {
    "stumpy": Suite(
        name="stumpy",
        tests=("tests/test_gpu_*.py",),
        settings=("allow_same_value",),
        needs=("stumpy", "pandas", "polars"),
        expected=(
            "gpu_stump.py:174, gpu_aamp.py:172: all threads of a grid write the same value to the first element, one of "
            "them after another value (lines 170 and 167): allowed by allow_same_value",
            "gpu_stump.py:171, gpu_aamp.py:168: the first thread reads at -1 what line 174 or 172 replaces: a warning",
        ),
    ),
    "cubie": Suite(name="cubie", tests=("tests",), options=("-m", "not nocudasim and not slow"), needs=("cubie",)),
    "numba-cuda": Suite(
        name="",
        tests=tuple(f"test_{name}.py" for name in NUMBA_CUDA.split()),
        settings=("allow_same_value",),
        expected=(
            "test_freevar.py:27: sdata, shared memory that nothing writes, is copied to the output",
            "test_sm.py:91: s_initialcost, shared memory that nothing writes, is added to the output",
            "test_array_methods.py: a copy of an array needs numba-cuda's runtime for memory in kernels",
        ),
        fails=("test_freevar.", "test_issue_2393", "test_array_copy"),
        needs=("numba-cuda", "filecheck"),
    ),
}


@dataclass
class Outcome:
    """The outcome of one run of a suite.

    Attributes
    ----------
    passed, failed, skipped : numbers of tests
    hazards : the kinds of hazard that failed tests, one for each
    names : the failed tests
    seconds : wall time
    error : why there are no results; empty if there are
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    hazards: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    def cells(self) -> list[str]:
        """Return the cells of a row."""
        if self.error:
            return [self.error, "", "", "", ""]
        return [*map(str, (self.passed, self.failed, self.skipped, len(self.hazards))), f"{self.seconds:.0f}"]


@click.command()
@click.argument("sources", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path())
@click.option("--suite", "names", multiple=True, type=click.Choice(list(SUITES)), help="Run only these.")
@click.option(
    "--folder", "folders", multiple=True, type=click.Path(exists=True, path_type=Path), help="Run its tests too."
)
@click.option("--setting", "settings", multiple=True, help="Of the simulator, for --folder: allow_same_value, seed=3.")
@click.option("--reference", is_flag=True, help="Run them in numba-cuda's own simulator too.")
@click.option("--only", metavar="EXPRESSION", help="Run tests that pytest's -k selects.")
@click.option("--timeout", default=SECONDS, show_default=True, help="Seconds for one suite.")
def main(
    sources: Path,
    names: tuple[str, ...],
    folders: tuple[Path, ...],
    settings: tuple[str, ...],
    reference: bool,
    only: str | None,
    timeout: float,
) -> None:
    """Run other projects' GPU tests in the simulator."""
    chosen = [SUITES[name] for name in names or (() if folders else SUITES)]
    jobs = [(each.name or "numba-cuda", each, None) for each in chosen]
    jobs += [(folder.name, Suite(name=folder.name, tests=(), settings=settings), folder) for folder in folders]
    rows, bad = [], False
    for name, suite, folder in jobs:
        missing = _missing(suite) if folder is None else ""
        with _source(suite, folder, sources) as place:
            if missing or place is None:
                rows.append([name, "sim", missing or f"no sources of {suite.name} in {sources}", "", "", "", ""])
                continue
            for device in ("sim", "numba-cuda") if reference else ("sim",):
                outcome = _run(suite, place, device, only, timeout)
                rows.append([name, device, *outcome.cells()])
                if device == "sim":
                    unexpected = [each for each in outcome.names if not any(part in each for part in suite.fails)]
                    bad |= bool(unexpected or outcome.error)
                    for each in unexpected:
                        click.echo(f"{name}: failed: {each}")
        for each in suite.expected:
            click.echo(f"{name}: expected: {each}")
    _print(["suite", "simulator", "passed", "failed", "skipped", "hazards", "seconds"], rows)
    sys.exit(1 if bad else 0)


def _missing(suite: Suite) -> str:
    """Return which packages a suite needs and this environment lacks; "" for none."""
    installed = {each.metadata["Name"].lower() for each in importlib.metadata.distributions()}
    missing = [each for each in suite.needs if each not in installed]
    return f"not installed: {', '.join(missing)}" if missing else ""


@contextmanager
def _source(suite: Suite, folder: Path | None, sources: Path) -> Iterator[Path | None]:
    """Return the folder with a suite's tests, of an archive a copy; None if there is none."""
    if folder is not None:
        yield folder
        return
    if not suite.name:  # pytest would import the files under the name of the folder that they are in
        with tempfile.TemporaryDirectory() as temporary:
            Path(temporary, "conftest.py").write_text(CONFTEST)
            for each in suite.tests:
                Path(temporary, each).write_text(f"from numba.cuda.tests.cudapy.{Path(each).stem} import *\n")
            yield Path(temporary)
        return
    found = sorted(sources.glob(f"{suite.name}-*/tests"))
    if found:
        yield found[-1].parent
        return
    archives = sorted(sources.glob(f"{suite.name}-*.tar.gz"))
    if not archives:
        yield None
        return
    with tempfile.TemporaryDirectory() as temporary, tarfile.open(archives[-1]) as archive:
        archive.extractall(temporary, filter="data")
        yield next(Path(temporary).iterdir())


def _run(suite: Suite, place: Path, device: str, only: str | None, timeout: float) -> Outcome:
    """Run a suite's tests in one of the simulators."""
    files = [str(each.relative_to(place)) for pattern in suite.tests for each in sorted(place.glob(pattern))] or ["."]
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary, "report.xml")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            *suite.options,
        ]
        command += ["-k", only] if only else []
        if device == "sim":
            command += ["-p", "workbench.sim.plugin", "-o", f"cuda_simulator={' '.join(suite.settings)}"]
        start = time.perf_counter()
        try:
            done = subprocess.run(
                [*command, *files],
                cwd=place,
                env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return Outcome(error=f"did not end within {timeout:.0f} s")
        seconds = time.perf_counter() - start
        if not report.exists():
            return Outcome(error=f"pytest ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
        return _counted(ET.parse(report), seconds)


def _counted(report: ET.ElementTree[ET.Element], seconds: float) -> Outcome:
    """Count the results in a report of pytest."""
    outcome = Outcome(seconds=seconds)
    for case in report.iter("testcase"):
        fault = next((each for each in case if each.tag in ("failure", "error")), None)
        if fault is not None:
            outcome.failed += 1
            outcome.names.append(f"{case.get('classname')}.{case.get('name')}: {(fault.get('message') or '')[:150]}")
            outcome.hazards += HAZARD.findall(fault.get("message") or "")[:1]
        elif case.find("skipped") is not None:
            outcome.skipped += 1
        else:
            outcome.passed += 1
    return outcome


def _print(columns: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]
    for row in [columns, *rows]:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
