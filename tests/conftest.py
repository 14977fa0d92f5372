"""Devices, hypothesis profiles and the helpers that several test files share.

One run covers every operation on the CPU and, in Numba's simulator, on CUDA. Numba selects the simulator when it is
imported, for the whole process. The same cases on a real GPU, marked ``gpu``, therefore need a separate run:
``pytest --require-gpu``, which leaves the simulator's cases out and fails without a GPU.
"""

import gc
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import kernels
from kernels.declare.shapes import normal_options
from kernels.memory.devices import cuda_fault, get_device
from tests.restored_registry import restored_registry
from tests.warm_children import patches
from workbench.sampling.ranges import into_range

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


CODEGEN = {"avx2": ("haswell", "avx avx2 fma bmi bmi2 sse4.2 popcnt lzcnt"), "baseline": ("x86-64", "sse2")}
"""Other processors that Numba can compile for: LLVM's name, and the features."""


def pytest_addoption(parser):
    parser.addoption(
        "--require-gpu", action="store_true", help="run the CUDA cases on a real GPU, and fail where there is none"
    )
    parser.addoption(
        "--codegen", choices=["native", *CODEGEN], help="compile the CPU kernels for this or a lesser x86-64 processor"
    )


def pytest_configure(config):
    if "numba" in sys.modules:
        raise pytest.UsageError("Numba was imported before the choice between the simulator and a GPU; load it later")
    os.environ["NUMBA_ENABLE_CUDASIM"] = "0" if config.getoption("require_gpu") else "1"
    if config.getoption("codegen") in CODEGEN and codegen_fault(config) is None:
        os.environ["NUMBA_CPU_NAME"], features = CODEGEN[config.getoption("codegen")]
        os.environ["NUMBA_CPU_FEATURES"] = ",".join(f"+{feature}" for feature in features.split())
    os.environ.setdefault("NUMBA_NUM_THREADS", "2")  # the tests of threads need two, even on a machine with one core
    os.environ.pop("KERNELS_DEVICE", None)


def pytest_collection_finish():
    """Run the garbage collector less often, without the objects that exist now: compilers keep millions of objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


SHARING = (
    *("test_inspect_cpu.py", "test_inspect_cuda.py", "test_report.py", "test_page.py", "test_cli.py", "test_bench.py"),
    *("test_environment.py", "test_foreign_text.py", "test_types.py"),
)
"""Files whose tests share results that take long to compute."""

PROPERTIES = "test_properties.py"
"""The file that compiles all kernels, which the other files then find in the compile cache."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Run the tests of each of these files in one process, and before all other tests, which balance the processes."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            if Path(file).name == PROPERTIES:  # one process compiles the kernels of convolutions, another the rest
                return f"{file}::conv2d" if "conv2d" in nodeid else file
            return file if Path(file).name in SHARING else nodeid

    return ByFile(config, log)


def codegen_fault(config):
    """Return why this machine cannot run code for the requested processor; None if it can."""
    import llvmlite.binding as llvm

    name = config.getoption("codegen")
    if name == "native":
        return None
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"--codegen {name}: this processor is not x86-64, but {platform.machine()}"
    host = llvm.get_host_cpu_features()
    missing = [feature for feature in CODEGEN[name][1].split() if not host.get(feature)]
    return f"--codegen {name}: this processor has no {', '.join(missing)}" if missing else None


def pytest_runtest_setup(item):
    if item.config.getoption("codegen") and (fault := codegen_fault(item.config)):
        pytest.skip(fault)
    if item.get_closest_marker("gpu") is None:
        return
    if item.config.getoption("require_gpu"):
        if cuda_fault() is not None:
            pytest.fail(f"needs a GPU: {cuda_fault()}", pytrace=False)
    else:
        pytest.skip(f"needs a GPU: {_gpu_fault()}; run pytest --require-gpu on a machine with one")


@cache
def _gpu_fault():
    """Return what a process without the simulator reports about the GPU."""
    code = "from kernels.memory.devices import cuda_fault; print(cuda_fault() or 'this run uses the simulator')"
    return run_python(code, NUMBA_ENABLE_CUDASIM="0").strip()


def run_python(code, **environment):
    """Run ``code`` in a separate process; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(name="run_python")
def _run_python():
    return run_python


class WarmWorkbench:
    """Runs the command line in forks of processes that have imported everything (warm_start.py).

    There is one for all environments that differ in LATE only.
    """

    LATE = ("COLUMNS", "NUMBA_CUDA_DRIVER", "NUMBA_ENABLE_CUDASIM")
    """The environment variables that are read only when they matter, or that Numba can be made to read again."""

    def __init__(self, folder):
        self._folder, self._servers = folder, {}

    def __call__(self, arguments, cwd, environment):
        """Run ``workbench`` with ``arguments``; return what ``subprocess.run`` would return."""
        late = {name: environment[name] for name in self.LATE if name in environment}
        early = {name: value for name, value in environment.items() if name not in (*late, "PYTEST_CURRENT_TEST")}
        key = tuple(sorted(early.items()))
        if key not in self._servers:
            self._servers[key] = self._start(early)
        server = self._servers[key]
        printed = {name: self._folder / name for name in ("out", "err")}
        for file in printed.values():
            file.write_text("")
        files = {name: str(file) for name, file in printed.items()}
        request = {"arguments": arguments, "cwd": str(cwd), "environment": late, **files}
        print(json.dumps(request), file=server.stdin, flush=True)
        code = server.stdout.readline()
        assert code, f"the warm process ended with {server.wait()}"
        return subprocess.CompletedProcess(
            arguments, int(code), *(printed[name].read_text() for name in ("out", "err"))
        )

    def _start(self, environment):
        script = Path(__file__).parent / "warm_start.py"
        return subprocess.Popen(
            [sys.executable, script.name],
            cwd=script.parent,
            env=environment | {"PYTHONPATH": str(script.parents[1])},  # tests/workbench/ is not the package
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self):
        """End the processes."""
        for server in self._servers.values():
            server.communicate()


@pytest.fixture(scope="session")
def warm_workbench(tmp_path_factory):
    """Runs the command line without the seconds that each start takes."""
    workbench = WarmWorkbench(tmp_path_factory.mktemp("warm"))
    yield workbench
    workbench.close()


@pytest.fixture(scope="session")
def fork_server():
    """Start multiprocessing's fork server with the imports and registries that child processes have."""
    context = multiprocessing.get_context("forkserver")
    imports = ("pytest", "workbench.benching.document", "workbench.target.file", "workbench.peers.numpy_")
    helpers = ("tests.workbench.benching.limits", "tests.warm_children", "tests.warm_numba")
    context.set_forkserver_preload([*imports, *helpers])
    forkserver.ensure_running()
    yield context
    server = forkserver._forkserver._forkserver_pid
    for folder in Path("/proc").glob("[0-9]*"):  # what a test has left suspended keeps the server
        with suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == server:
                os.kill(int(folder.name), signal.SIGKILL)


@pytest.fixture
def warm_children(fork_server, monkeypatch):
    """Make child processes forks of one that has imported everything, instead of starting Python for each.

    Those that run benchmarks do not measure the machine's limits.
    """
    from tests.workbench.benching.limits import fix

    for each in patches(fork_server, fix):
        monkeypatch.setattr(*each)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium."""
    from tests.browser import Browser, chromium

    if chromium() is None:
        pytest.skip("needs Chromium to look at the page")
    opened = Browser(chromium(), tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _registry():
    """Restore the registry after each test."""
    with restored_registry():
        yield


@dataclass(frozen=True)
class Target:
    """A device that kernels run on: the label of ``workbench check`` and the name in ``kernels``."""

    label: str

    @property
    def name(self):
        return "cpu" if self.label == "cpu" else "cuda"

    @property
    def device(self):
        return get_device(self.name)

    def place(self, array):
        """Return the array on the target's device."""
        return kernels.to_device(array) if self.name == "cuda" else array


SIM = "sim"
GPU = pytest.param("cuda", marks=pytest.mark.gpu, id="gpu")


def _target(request):
    if request.param == SIM and request.config.getoption("require_gpu"):
        pytest.skip("the simulator is off under --require-gpu")
    if request.param != "cpu" and request.config.getoption("codegen"):
        pytest.skip("--codegen is about the CPU")
    return Target(request.param)


@pytest.fixture
def in_the_simulator(monkeypatch):
    """Run CUDA kernels in the simulator, in small grids: the kernels stride over the rest."""
    if os.environ["NUMBA_ENABLE_CUDASIM"] != "1":
        yield
        return
    from workbench.sim import simulator  # imports Numba

    monkeypatch.setattr("kernels.compile.jit.MAX_BLOCKS", 2)
    monkeypatch.setattr("kernels.compile.jit.THREADS_PER_BLOCK", 32)
    with simulator(seed=0):
        yield


@pytest.fixture(params=["cpu", SIM, GPU])
def target(request, in_the_simulator):
    """Every device in turn."""
    return _target(request)


@pytest.fixture(params=[SIM, GPU])
def cuda(request, in_the_simulator):
    """CUDA in the simulator and on a GPU."""
    return _target(request)


WINDOW = {"stride": (2, 1), "padding": ((1, 0), (1, 2)), "dilation": (1, 2)}
POOL = {"kernel_size": (3, 2), **WINDOW, "ceil_mode": True}
WINDOWS = {
    "conv2d": ({"x": (3, 4, 6, 5), "w": (6, 2, 3, 2), "b": (6,)}, {**WINDOW, "groups": 2}),
    "max_pool2d": ({"x": (3, 2, 6, 5)}, POOL),
    "avg_pool2d": ({"x": (3, 2, 6, 5)}, {**POOL, "count_include_pad": False}),
    "sum_pool2d": ({"x": (3, 2, 6, 5)}, POOL),
}
"""Calls of the operations that slide a window; calls of others are derived from their declarations."""


@dataclass(frozen=True)
class Sample:
    """A valid call of a public function."""

    name: str
    arrays: dict
    options: dict

    def __call__(self, *arrays, **more):
        """Make the call, on other arrays if they are passed."""
        return getattr(kernels, self.name)(*(arrays or self.arrays.values()), **self.options, **more)

    @property
    def output_shapes(self):
        op, shapes = kernels.OPS[self.name], {key: array.shape for key, array in self.arrays.items()}
        return op.output_shapes(shapes, normal_options(op, self.options, shapes))


def make_call(op):
    """Return shapes and options of a call, from the operation's declaration: unequal sizes, no option at its default."""
    options = {
        each.name: not each.default if each.form == "flag" else (each.high,) * 2 if each.form == "pair" else each.high
        for each in op.options
    }
    sizes = {}
    symbols = dict.fromkeys(symbol for item in op.inputs for symbol in item.axes or ())
    for symbol, size in zip(sorted(symbols, key=lambda each: each in op.least), (3, 5, 4, 6, 7), strict=False):
        sizes[symbol] = size - 1 + (op.least[symbol](sizes, options) if symbol in op.least else 1)
    return {item.name: tuple(sizes[each] for each in item.axes or ()) or (3, 4, 5) for item in op.inputs}, options


def make_sample(name, dtype="float32", *, batch=3):
    """Return a call of ``name`` that uses every option."""
    op = kernels.OPS[name]
    forward = next((other for other in kernels.OPS.values() if other.backward == name), op)
    shapes, options = WINDOWS.get(forward.name) or make_call(forward)
    batched = [item.name for item in forward.inputs if item.axes is None or item.axes[0] == "N"]
    shapes = {key: (batch, *shape[1:]) if key in batched else shape for key, shape in shapes.items()}
    outputs = forward.output_shapes(shapes, normal_options(forward, options, shapes))
    shapes = {"dy": outputs[0], **dict(zip(forward.outputs, outputs, strict=True)), **shapes}
    rng = np.random.default_rng(len(name))
    arrays = {}
    for item in op.inputs:
        shape = shapes[item.name]
        if item.kind == "index":
            arrays[item.name] = rng.integers(0, shapes[item.below[0]][item.below[1]], shape)
        else:
            arrays[item.name] = into_range(rng.standard_normal(shape).astype(dtype), item)
    return Sample(name, arrays, options)


@pytest.fixture
def sample():
    """The function ``make_sample``."""
    return make_sample


@pytest.fixture(params=kernels.OPS)
def op_name(request):
    """The name of every operation in turn."""
    return request.param


@pytest.fixture
def refuses():
    """A context in which an error of this class must be raised, whose message is one line that contains all words."""

    class Refusal:
        def __init__(self, error, *words):
            self.raises, self.words = pytest.raises(error), words

        def __enter__(self):
            self.caught = self.raises.__enter__()

        def __exit__(self, *details):
            suppress = self.raises.__exit__(*details)
            if not suppress:  # something else was raised, such as a skip
                return suppress
            message = str(self.caught.value)
            assert isinstance(self.caught.value, kernels.KernelsError)
            assert len(message.splitlines()) == 1
            missing = [word for word in self.words if str(word) not in message]
            assert not missing, f"{missing} not in {message!r}"
            return suppress

    return Refusal
