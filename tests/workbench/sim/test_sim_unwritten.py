"""Memory that is read before anything has written it, in every kind of memory, and told where the value matters."""

import ctypes

import numpy as np
import pytest
from numba import cuda, float32, float64, int32

from workbench.sim import KernelHazard, simulating, simulator

N = 32
HALOED = 33


@pytest.fixture(autouse=True)
def in_the_simulator():
    with simulator(seed=0):
        yield


def hazards(kernel, *arguments, block=N):
    with pytest.raises(KernelHazard) as raised:
        kernel[1, block](*arguments)
    return raised.value.hazards


@cuda.jit
def edge(x, y, use):
    tile = cuda.shared.array(HALOED, float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    right = tile[t + 1]
    total = tile[t] + right
    y[t] = tile[t] if t == N - 1 and not use else total


def test_a_shared_value_that_is_thrown_away_is_no_fault():
    x, y = np.arange(N, dtype=np.float32), np.zeros(N, np.float32)
    for _ in range(2):  # the second launch runs the code that follows values at once
        edge[1, N](x, y, False)
        np.testing.assert_array_equal(y, np.append(x[:-1] + x[1:], x[-1]))
    (found,) = hazards(edge, x, y, True)
    assert (found.kind, len(found.lines)) == ("uninitialised", 1)
    assert found.summary == "tile[32] in shared memory is read before any thread of the block has written it"
    assert "reads it at test_sim_unwritten.py" in found.text
    assert "right = tile[t + 1]" in found.text
    assert "It matters at test_sim_unwritten.py" in found.text


@cuda.jit
def counts_up(x, y):
    tile = cuda.shared.array(HALOED, float32)
    t = cuda.threadIdx.x
    unused = tile[HALOED - 1]
    x[t] += 1
    if t == N:
        y[0] = unused


def test_arrays_are_as_before_a_launch_that_is_repeated():
    x = cuda.device_array(N, np.float64)
    x.copy_to_device(np.zeros(N))
    host = np.zeros(N)
    counts_up[1, N](host, np.zeros(1))
    counts_up[1, N](x, np.zeros(1))
    np.testing.assert_array_equal(host, np.ones(N))
    np.testing.assert_array_equal(x.copy_to_host(), np.ones(N))


@cuda.jit
def prints(y):
    tile = cuda.shared.array(HALOED, float32)
    unused = tile[0]
    print("once", cuda.threadIdx.x)
    if y.size == 0:
        y[0] = unused


def test_what_a_kernel_prints_is_printed_once(capfd):
    prints[1, 1](np.zeros(1))
    assert capfd.readouterr().out == "once 0\n"


@cuda.jit(device=True)
def second(values):
    return values[1]


@cuda.jit
def through_functions(y, use):
    own = cuda.local.array(2, float64)
    own[0] = 1
    found = second(own)
    y[0] = found if use else own[0]


@cuda.jit
def as_an_index(y):
    own = cuda.local.array(1, int32)
    y[own[0] & 1] = 1


@cuda.jit
def whole(x, y):
    own = cuda.local.array(4, float64)
    own[:2] = x[:2]
    y[0] = own[:3].sum()


@cuda.jit
def filled(x, y):
    own = cuda.local.array((2, 2), float64)
    for i in range(2):
        row = own[i]
        row[:] = x[:2]
    copy = cuda.local.array(3, float64)
    copy[0] = own[1, 1]
    for k in range(2):
        copy[k + 1] = copy[k]  # copies of what is defined
    y[0] = copy[2] + own.sum()


@pytest.mark.parametrize(
    ("kernel", "arguments"),
    [(through_functions, (True,)), (as_an_index, ()), (whole, ())],
    ids=["through_functions", "as_an_index", "whole"],
)
def test_local_arrays(kernel, arguments):
    given = (np.ones(4), np.zeros(2), *arguments) if kernel is whole else (np.zeros(2), *arguments)
    (found,) = hazards(kernel, *given, block=1)
    assert found.kind == "uninitialised"
    assert found.summary.startswith("an element of a local array in local memory is read before its thread has written")


def test_local_arrays_that_are_written_or_not_used():
    y = np.zeros(2)
    through_functions[1, 1](y, False)
    assert y[0] == 1
    filled[1, 1](np.array([2.0, 3.0]), y)
    assert y[0] == 3 + 2 * (2 + 3)


@cuda.jit
def add(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] += x


@cuda.jit
def put(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x


@cuda.jit
def count(y):
    cuda.atomic.add(y, 0, 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y.copy_to_device(np.ones(N)),
        lambda y: y.__setitem__(slice(None), 1),
        lambda y: [y.__setitem__(k, 1) for k in range(N)],
        lambda y: put[1, N](1, y),
        lambda y: y.reshape(4, 8)[1:3].copy_to_device(np.ones((2, 8))) or put[1, N](1, y[:8]) or put[1, N](1, y[24:]),
        lambda y: y.fill(1),
        lambda y: cuda.to_device(np.ones(N), to=y),
        lambda y: ctypes.memmove(y.__cuda_array_interface__["data"][0], np.ones(N).tobytes(), 8 * N),
    ],
    ids=["copy", "slice", "elements", "kernel", "parts", "fill", "to_device", "interface"],
)
def test_memory_of_the_device_counts_as_written_once_it_is(write):
    y = cuda.device_array(N, np.float64)
    for unwritten in (y, cuda.device_array_like(np.ones(N))):
        (found,) = hazards(add, 1, unwritten)
        assert found.summary == "y[0] in global memory is read before anything has written it"
        assert "cuda.device_array does not clear memory" in found.text
    y = cuda.device_array(N, np.float64)
    write(y)
    add[1, N](1, y)
    assert y.copy_to_host().tolist() == [2] * N


def test_a_part_of_a_device_array_that_nothing_has_written():
    y = cuda.device_array((4, 8), np.float64)
    y[1] = 0
    y[2, 3] = 0
    add[1, N](1, y[1])
    add[1, N](1, y[2, 3:4])
    (found,) = hazards(add, 1, y[2, 3:5])
    assert found.summary.startswith("y[1] in global memory")
    (found,) = hazards(count, cuda.device_array(1, np.int32), block=1)
    assert found.kind == "uninitialised"


def test_what_an_unwatched_launch_writes_is_written():
    y = cuda.device_array(N, np.float64)
    with simulating(hazards=False):
        put[1, N](1, y)
    add[1, N](1, y)


def test_memory_that_is_used_again_starts_unwritten():
    for _ in range(20):
        y = cuda.device_array(N, np.float64)
        hazards(add, 1, y)
        put[1, N](1, y)
        add[1, N](1, y)
        del y  # the next one has its memory


@cuda.jit
def double(x):
    x[cuda.threadIdx.x] *= 2


def test_only_memory_that_is_on_the_device_must_be_aligned():
    raw = np.zeros(33, np.uint8)
    odd = raw[1:].view(np.float32)
    odd[:] = 3
    double[1, 8](odd)
    assert odd.tolist() == [6] * 8
    (found,) = hazards(double, cuda.to_device(raw)[1:17].view(np.float32), block=4)
    assert (found.kind, found.summary) == ("misaligned", "x is accessed at an address that is no multiple of 4")
    double[1, 4](cuda.to_device(raw)[4:20].view(np.float32))
    double[1, 4](np.ones(4, np.complex128))
    double[1, 4](cuda.to_device(np.ones(9))[1:].view(np.complex128))
