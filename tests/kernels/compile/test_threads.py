"""Kernels from several Python threads, in forked processes, and on more threads than there are cores."""

import os
import subprocess
import sys

import pytest

from kernels.compile.threads import WAITING

LAYERS = ["omp", "workqueue"]

PREPARE = """
import numpy as np
import kernels
from kernels.compile import threads
from kernels.compile.twins import only
rng = np.random.default_rng(0)
x, w = (rng.standard_normal(shape).astype("f4") for shape in ((40, 3, 12, 12), (4, 3, 3, 3)))
def compute():
    y = kernels.conv2d(x, w)
    return y.tobytes(), [each.tobytes() for each in kernels.conv2d_backward(y, x, w)]
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_several_python_threads_at_once(layer, run_python):
    code = f"""{PREPARE}
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    results = list(pool.map(lambda _: compute(), range(40)))
assert threads.layer() == "{layer}"
print(all(each == results[0] for each in results))
"""
    assert run_python(code, NUMBA_THREADING_LAYER=layer) == "True\n"


FORK = f"""{PREPARE}
import multiprocessing, warnings
warnings.simplefilter("error")
def in_child(_):
    with only("parallel"):
        forced = compute()
    return forced, compute(), threads.thread_count()
%s
with multiprocessing.get_context("fork").Pool(2) as pool:
    for forced, result, count in pool.map(in_child, range(4)):
        assert forced == result == compute()
        print(count, end=" ")
print(threads.thread_count())
"""


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
class TestFork:
    """A forked process gives the same results, serially where threads would end it."""

    @pytest.mark.parametrize(("layer", "count"), [("omp", 1), ("workqueue", 2)])
    def test_after_the_layer_was_started(self, layer, count, run_python):
        out = run_python(FORK % "compute()", NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")
        assert out == f"{count} {count} {count} {count} 2\n"

    def test_before_the_layer_is_started(self, run_python):
        out = run_python(FORK % "", NUMBA_THREADING_LAYER="omp", NUMBA_NUM_THREADS="2")
        assert out == "2 2 2 2 2\n"

    def test_a_process_forked_while_another_thread_is_in_a_region(self, run_python):
        code = f"""{PREPARE}
import os, threading
compute()
stop = threading.Event()
def work():
    while not stop.is_set():
        compute()
worker = threading.Thread(target=work)
worker.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        threads.region().__enter__()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
worker.join()
print("done")
"""
        assert run_python(code, NUMBA_THREADING_LAYER="workqueue", PYTHONWARNINGS="ignore") == "done\n"


def test_any_number_of_threads_gives_the_same_bits(run_python):
    code = f"""{PREPARE}
import hashlib, numba
with only("parallel"):
    print(hashlib.sha256(repr(compute()).encode()).hexdigest())
assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS
"""
    results = {run_python(code, NUMBA_NUM_THREADS=str(count)) for count in (1, 2, 8, 64)}
    assert len(results) == 1


def test_an_unknown_layer_is_named(run_python):
    code = f"""{PREPARE}
try:
    with only("parallel"):
        compute()
except kernels.DeviceUnavailable as error:
    print(error)
"""
    message = run_python(code, NUMBA_THREADING_LAYER="fast")
    assert message.startswith("NUMBA_THREADING_LAYER is 'fast': The threading layer requested 'fast' is unknown")
    assert message.endswith("unset the variable\n")


def test_info_without_the_layer_asked_for():
    environment = os.environ | {"NUMBA_THREADING_LAYER": "fast"}
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "info"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "'fast' is unknown" in done.stderr


@pytest.mark.parametrize(
    "first", ["import kernels.compile.jit", "from workbench.system import machine; machine.use_threads(None)"]
)
def test_waiting_threads_sleep_soon(first):
    """OpenMP must be told before its library is loaded; spinning threads fight for the cores with whoever needs them."""
    code = f"""
import os, sys
from numba.np.ufunc import parallel
launch = parallel._launch_threads
parallel._launch_threads = lambda: print(os.environ["OMP_WAIT_POLICY"], os.environ["GOMP_SPINCOUNT"]) or launch()
{first}
from kernels.compile import threads
threads.layer()
"""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert set(done.stdout.splitlines()) == {"passive 1000"}, done.stderr
