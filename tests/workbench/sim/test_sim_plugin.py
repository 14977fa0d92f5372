"""The pytest plugin: real runs of pytest, with kernels in a package that ``conftest.py`` imports, and with device arrays."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.plain

PACKAGE = """
from numba import cuda

class Doubles:
    def prepare_args(self, kind, value, stream, retr):
        return kind, value

@cuda.jit(launch_bounds=64, lineinfo=True, max_registers=32, extensions=[Doubles()])
def add_one(x):
    x[cuda.grid(1)] += 1

@cuda.jit
def all_write(x):
    x[0] = cuda.grid(1)

@cuda.jit
def first_come(counter, places):
    places[cuda.grid(1)] = cuda.atomic.add(counter, 0, 1)
"""

TESTS = """
import threading

import numpy as np
import pytest
from numba import cuda

import package
from workbench.sim import KernelHazard

def test_device_arrays():
    assert cuda.is_available()
    x, y = cuda.to_device(np.zeros(64, np.float32)), cuda.device_array(64, np.float32)
    y[:] = 3
    for each in (x, y):
        package.add_one[2, 32](each)
    assert x.copy_to_host().tolist() == [1.0] * 64
    assert y.copy_to_host().tolist() == [4.0] * 64

def test_hazards_are_looked_for():
    with pytest.raises(KernelHazard, match="race in kernel all_write"):
        package.all_write[1, 32](cuda.to_device(np.zeros(1)))
    with pytest.raises(KernelHazard, match="launch_bounds allow 64"):
        package.add_one[1, 96](np.zeros(96))

def test_settings_hold_in_other_threads(cuda_simulator):
    def run():
        counter, places = np.zeros(1, np.int32), cuda.to_device(np.zeros(64, np.int32))
        package.first_come[2, 32](counter, places)
        orders.append(places.copy_to_host().tolist())

    orders = []
    for seed in (0, 1):
        with cuda_simulator(seed=seed):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
    assert orders == [list(range(64)), list(range(63, -1, -1))]
"""

FAILING = """
import numpy as np
import package

def test_that_fails():
    package.all_write[1, 32](np.zeros(1))
"""

NAMED = 'pytest_plugins = ["workbench.sim.plugin"]\n'
EARLY = "[pytest]\naddopts = -p workbench.sim.plugin\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder of the package, whose kernels are compiled once for all processes."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "package.py").write_text(PACKAGE)
    return folder


@pytest.fixture
def run(tmp_path, package):
    def run_pytest(ini="", conftest="", tests=TESTS, start=("-m", "pytest"), **environment):
        for name, text in {"pytest.ini": ini or "[pytest]\n", "conftest.py": conftest, "test_it.py": tests}.items():
            (tmp_path / name).write_text(text)
        kept = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
        command = [sys.executable, *start, "-q", "-p", "no:cacheprovider", str(tmp_path)]
        environment |= {"PYTHONPATH": str(package), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of which none is needed
        return subprocess.run(command, env=kept | environment, capture_output=True, text=True, cwd=tmp_path)

    return run_pytest


@pytest.mark.parametrize(
    ("ini", "conftest", "environment"),
    [
        (EARLY, "import package\n", {}),
        ("", NAMED, {}),
        ("", f"import numba\n{NAMED}", {}),
        (EARLY, f"import package\n{NAMED}", {"NUMBA_ENABLE_CUDASIM": "1"}),
    ],
    ids=["addopts", "named", "numba first", "both"],
)
def test_tests_run_in_the_simulator(run, ini, conftest, environment):
    done = run(ini, conftest, **environment)
    assert (done.returncode, "3 passed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("environment", [{}, {"NUMBA_ENABLE_CUDASIM": "0"}], ids=["a package first", "a GPU is chosen"])
def test_without_the_simulator_no_test_runs(run, environment):
    """A half-patched numba-cuda would take pointers of a GPU for those of the host."""
    done = run("", NAMED if environment else f"import package\n{NAMED}", **environment)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    said = done.stdout + done.stderr
    assert "ERROR: workbench.sim.plugin: the CUDA simulator cannot run here: numba.cuda was imported for a GPU" in said
    assert 'addopts = "-p workbench.sim.plugin"' in said
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said


def test_a_hazard_is_shown_at_the_launch_of_the_test(run):
    done = run(EARLY, tests=FAILING)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "package.all_write[1, 32](np.zeros(1))" in done.stdout
    assert "race in kernel all_write" in done.stdout
    assert "launching.py" not in done.stdout
    assert "patches.py" not in done.stdout


HALF = """
import numba.cuda
before = dict(vars(numba.cuda))
from workbench.sim import simulator
from workbench.system.errors import InputError
try:
    with simulator():
        pass
except InputError:
    print(dict(vars(numba.cuda)) == before)
"""


def test_the_block_without_the_variable_patches_nothing(run_python):
    assert run_python(HALF, NUMBA_ENABLE_CUDASIM="0") == "True\n"


SAME = """
import numpy as np
import package

def test_same(cuda_simulator):
    package.all_write[1, 1](np.zeros(1))
    with cuda_simulator() as settings:
        assert (settings.allow_same_value, settings.hazards, settings.seed) == (True, False, 3)
        assert settings.capability == (8, 0)
"""


def test_settings_of_the_configuration(run):
    done = run(f"{EARLY}cuda_simulator = allow_same_value hazards=false seed=3 capability=8.0\n", tests=SAME)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


WRONG = ("speed", "seed=x", "hazards=no", "capability=1.0")
EACH = f"""
import sys
import pytest

for text in {WRONG}:
    print(text, int(pytest.main(["--override-ini", f"cuda_simulator={{text}}", *sys.argv[1:]])), flush=True)
"""


def test_settings_that_do_not_exist(run):
    done = run(EARLY, start=("-c", EACH), tests=SAME)
    said = done.stdout + done.stderr
    assert [f"{text} {pytest.ExitCode.USAGE_ERROR:d}" in done.stdout.splitlines() for text in WRONG] == [True] * 4, said
    assert said.count("ERROR: cuda_simulator: ") == len(WRONG)
    assert "Traceback" not in said
