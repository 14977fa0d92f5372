"""A kernel's parallel and serial twins: which one runs, and that they return the same bits."""

import numpy as np
import pytest
from numba import njit, prange
from numba.core.caching import NullCache

import kernels
from kernels.compile import threads, twins
from kernels.compile.jit import cpu_kernel
from kernels.compile.twins import only


@cpu_kernel
def double(x, y):
    for i in prange(x.size):
        y[i] = 2 * x[i]


@cpu_kernel
def double_twice(x, y):
    half = np.empty_like(x)
    double(x, half)
    double(half, y)
    for i in prange(x.size):
        y[i] += 1


@cpu_kernel(small=64)
def halve(x, y):
    for i in prange(x.size):
        y[i] = x[i] / 2


@cpu_kernel(small=lambda _x, _y, rounds: rounds < 10)
def count(x, y, rounds):
    for i in prange(x.size):
        y[i] = rounds


@pytest.fixture
def ran(monkeypatch):
    """The twins that were called, in order."""
    calls = []

    def noted(cls, name):
        plain = cls.__mro__[1].__call__

        def call(self, *arguments, **keywords):
            calls.append(name)
            return plain(self, *arguments, **keywords)

        return call

    monkeypatch.setattr(twins.SerialTwin, "__call__", noted(twins.SerialTwin, "serial"), raising=False)
    monkeypatch.setattr(threads, "region", lambda region=threads.region: calls.append("parallel") or region())
    return calls


def arrays(count):
    return np.ones(count), np.zeros(count)


@pytest.mark.parametrize(
    ("kernel", "arguments", "twin"),
    [
        (double, arrays(4095), "serial"),
        (double, arrays(4096), "parallel"),  # 2 * 32 KiB
        (halve, arrays(3), "serial"),
        (halve, arrays(4), "parallel"),
        (count, (*arrays(3), 9), "serial"),
        (count, (*arrays(3), 10), "parallel"),
    ],
)
def test_the_size_of_the_arrays_decides(kernel, arguments, twin, ran):
    kernel(*arguments)
    assert ran == [twin]
    for forced in ("serial", "parallel"):
        ran.clear()
        with only(forced):
            kernel(*arguments)
        assert ran == [forced]


def test_keywords(ran):
    x, y = arrays(3)
    double(x, y=y)
    assert y.tolist() == [2, 2, 2]
    count(x, y, rounds=3)
    assert y.tolist() == [3, 3, 3]
    count(x, y, rounds=30)
    assert y.tolist() == [30, 30, 30]
    assert ran == ["serial", "serial", "parallel"]


@pytest.mark.parametrize(("size", "twin"), [(3, "serial"), (20_000, "parallel")])
def test_what_a_call_has_settled_runs_as_it_did(size, twin, ran):
    double(*arrays(size))
    run = double.settled(arrays(size))
    assert run is not double
    ran.clear()
    x, y = arrays(size)
    run(x, y)
    assert set(y) == {2}
    assert ran == ([] if twin == "serial" else ["parallel"])  # the serial machine code alone, not its dispatcher
    for forced in ("serial", "parallel"):
        ran.clear()
        with only(forced):
            run(x, y)
        assert ran == [forced]


def test_nothing_is_settled_about_a_twin_that_never_ran():
    def triple(x, y):
        for i in prange(x.size):
            y[i] = 3 * x[i]

    kernel = cpu_kernel(triple)
    with only("parallel"):
        kernel(*arrays(3))
    assert kernel.settled(arrays(3)) is kernel


def test_one_thread_is_serial(run_python):
    code = """
import numpy as np
from kernels.compile import threads
from kernels.ops.relu.cpu import relu_cpu
x = np.ones(1_000_000, np.float32)
relu_cpu(x, x.copy())
print(threads.parallel._is_initialized, relu_cpu.signatures)
"""
    assert run_python(code, NUMBA_NUM_THREADS="1") == "False []\n"


def test_a_serial_kernel_calls_serial_kernels(run_python):
    """Else a kernel could enter a parallel region where there must be none."""
    code = """
import numpy as np
from kernels.compile import threads
from kernels.ops.conv2d.cpu.lanes import conv2d_cpu, samples_last
from kernels.compile.twins import only
x, y = np.ones((2, 1, 3, 3), np.float32), np.empty((2, 1, 1, 1), np.float32)
with only("serial"):
    conv2d_cpu(x, x[:1].copy(), np.zeros(1, np.float32), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, y)
print(y.ravel(), threads.parallel._is_initialized, samples_last.signatures)
"""
    assert run_python(code) == "[9. 9.] False []\n"


def test_compiled_code_calls_kernels():
    x, y = arrays(5)

    @njit
    def caller(x, y):
        double_twice(x, y)

    caller(x, y)
    assert y.tolist() == [5] * 5
    for forced in ("serial", "parallel"):
        y[:] = 0
        with only(forced):
            double_twice(x, y)
        assert y.tolist() == [5] * 5


def test_twins_give_the_same_bits(op_name, sample):
    call = sample(op_name, batch=9)
    results = []
    for twin in ("serial", "parallel"):
        with only(twin):
            result = call(device="cpu")
        results.append([each.tobytes() for each in (result if isinstance(result, tuple) else (result,))])
    assert results[0] == results[1]


def test_a_difference_between_twins_is_found():
    from workbench.checking import InProcess, Subject
    from workbench.sampling import Case

    @cpu_kernel
    def right(x, y):
        for i in prange(x.size):
            y[i] = max(x[i], 0)

    @cpu_kernel
    def wrong(x, y):
        for i in prange(x.size):
            y[i] = 7

    right.serial = wrong.serial
    entry = kernels.Implementation(op="relu", device="cpu", algorithm="t", target=right)
    case = Case(op="relu", dtype="float32", shapes={"x": (1000,)}, options={}, family="integers", seed=1)
    verdict = InProcess(Subject(implementation=entry, label="cpu")).run(case)
    assert "differs between the parallel and the serial compilation" in verdict.fault.reason


def test_it_is_numbas_dispatcher_in_all_else():
    kernel = cpu_kernel(double.py_func)
    kernel._cache = NullCache()  # code out of the cache is not inspected
    x, y = arrays(5)
    with only("parallel"):
        kernel(x, y)
    assert kernel.py_func.__name__ == "double"
    assert kernel.__name__ == "double"
    assert len(kernel.signatures) == 1
    assert all("ret" in text for text in kernel.inspect_asm().values())
