"""Atomic operations work in the simulator, with the values and types of a GPU."""

import numpy as np
import pytest
from numba import cuda
from numba.core.errors import TypingError

from tests.workbench.sim.simulated import INTEGERS, NAN, NUMBERS, equal, run, seen_types, type_of, zeros
from workbench.sim import simulator


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


def after(operation, old, value):
    """Return what an element holds after an atomic operation."""
    if operation == "inc":
        return 0 if old >= value else old + 1
    if operation == "dec":
        return value if old == 0 or old > value else old - 1
    if operation == "exch":
        return value
    ufuncs = {"add": np.add, "sub": np.subtract, "and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor}
    extremes = {"max": np.maximum, "min": np.minimum, "nanmax": np.fmax, "nanmin": np.fmin}
    with np.errstate(over="ignore"):
        return (ufuncs | extremes)[operation](old, value)


def atomic_kernel(operations):
    """Make a kernel that does an operation on each row, in shared memory on every other one, and stores the results."""
    lines = [
        "def kernel(x, value, old, types):",
        "    s = cuda.shared.array(4, value.dtype)",
        "    t = cuda.threadIdx.x",
    ]
    for row, name in enumerate(operations):
        place = "s, t" if row % 2 else f"x, ({row}, t)"
        lines += [
            f"    s[t] = x[{row}, t]",
            f"    old_{row} = cuda.atomic.{name}({place}, value[t])",
            f"    x[{row}, t] = s[t] if {row % 2} else x[{row}, t]",
            f"    old[{row}, t], types[{row}, t] = old_{row}, type_of(old_{row})",
        ]
    names = {"cuda": cuda, "type_of": type_of}
    exec("\n".join(lines), names)
    return cuda.jit(names["kernel"])


@pytest.mark.parametrize("dtype", NUMBERS)
def test_atomic_operations(dtype):
    operations = ["add", "sub", "max", "min", "nanmax", "nanmin"]
    if dtype in INTEGERS:
        operations += ["and_", "or_", "xor", "exch"]
        top = np.iinfo(dtype).max
        first, value = np.array([top, 5, 0, top - 2], dtype), np.array([3, top, 7, top - 1], dtype)
        operations += ["inc", "dec"] if dtype in (np.uint32, np.uint64) else []
    else:
        first, value = np.array([0.1, NAN, 2, -3], dtype), np.array([0.2, 1, NAN, -4], dtype)
    x = np.tile(first, (len(operations), 1))
    old, kinds = np.zeros_like(x), zeros(x.shape, np.int64)
    run(atomic_kernel(operations), x, value, old, kinds, block=4)
    equal(old, np.tile(first, (len(operations), 1)))
    assert {seen_types[kind] for kind in kinds[:, 0]} == {np.dtype(dtype).name}
    for row, operation in enumerate(operations):
        expected = [after(operation, *each) for each in zip(first, value, strict=True)]
        if operation in ("max", "min"):  # NaN on either side leaves what is there
            expected = np.where(np.isnan(value), first, expected)
        equal(x[row], np.array(expected, dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_compare_and_swap(dtype):
    @cuda.jit
    def kernel(x, y, old, winners):
        i = cuda.grid(1)
        if cuda.atomic.cas(x, (0, 1), 7, i) == 7:
            cuda.atomic.add(winners, 0, 1)
        old[i] = cuda.atomic.cas(y, i, y[i] - (i % 2), 100)
        if i == 0:
            old[i] = cuda.atomic.compare_and_swap(y[8:], 8, 50)

    x, y = np.full((1, 2), 7, dtype), np.arange(9, dtype=dtype)
    old, winners = zeros(8, dtype), zeros(1, np.int32)
    run(kernel, x, y, old, winners, grid=2, block=4)
    assert winners[0] == 1
    assert x[0, 0] == 7
    assert x[0, 1] in range(8)
    equal(y, [100, 1, 100, 3, 100, 5, 100, 7, 50])
    equal(old, [8, *range(1, 8)])


def test_atomic_operations_of_many_threads_add_up():
    @cuda.jit
    def kernel(total, histogram, ticket):
        i, shared = cuda.grid(1), cuda.shared.array(1, np.int64)
        if cuda.threadIdx.x == 0:
            shared[0] = 0
        cuda.syncthreads()
        cuda.atomic.add(shared, 0, i)
        cuda.atomic.add(histogram, (i % 2, np.uint8(i % 3)), 1.5)
        cuda.atomic.inc(ticket, 0, 9)
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            cuda.atomic.add(total, 0, shared[0])

    total, histogram, ticket = zeros(1, np.int64), zeros((2, 3)), zeros(1, np.uint32)
    run(kernel, total, histogram, ticket, grid=2, block=48)
    assert total[0] == 96 * 95 // 2
    equal(histogram, 24.0)
    assert ticket[0] == 96 % 10


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        ("exch(x, 0, 1)", np.float32),
        ("inc(x, 0, 1)", np.int32),
        ("sub(x, 0, 1)", np.int8),
        ("cas(x, 0, 1, 2)", np.float64),
    ],
)
def test_atomic_operations_that_no_gpu_has_are_refused(call, dtype):
    names = {"cuda": cuda}
    exec(f"def kernel(x):\n    cuda.atomic.{call}", names)
    with pytest.raises(TypingError, match="is for arrays of"):
        run(cuda.jit(names["kernel"]), zeros(1, dtype))
