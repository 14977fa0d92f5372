"""The host side of kernels in the simulator: signatures, limits, captured and foreign arrays, ufuncs."""

import math

import numpy as np
import pytest
from numba import cuda, float32, guvectorize, literal_unroll, types, vectorize
from numba.core.errors import TypingError

from workbench.sim import KernelHazard, simulator

N = 40


@cuda.jit
def defined_outside(x):
    x[cuda.grid(1)] += 1


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


class Foreign:
    """Another library's array."""

    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = dict(array.__array_interface__, version=3, stream=None)


def capturing(array):
    @cuda.jit(device=True)
    def scaled(i):
        return 2 * array[i]

    @cuda.jit
    def kernel(out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = scaled(i)
            array[i] = -1

    return kernel


@pytest.mark.parametrize("made", [cuda.to_device, Foreign], ids=["device array", "interface"])
def test_an_array_in_device_memory_is_captured_by_its_address(made):
    memory = np.arange(N, dtype=np.float32)
    captured = cuda.to_device(memory) if made is cuda.to_device else made(memory)
    kernel, out = capturing(captured), np.zeros(N, np.float32)
    kernel[2, 32](out)
    np.testing.assert_array_equal(out, 2 * memory if made is cuda.to_device else 2 * np.arange(N))
    kernel[2, 32](out)  # sees what the first launch wrote
    np.testing.assert_array_equal(out, np.full(N, -2))


def test_an_array_on_the_host_is_captured_as_it_is_when_the_kernel_is_compiled():
    table, out = np.arange(3.0), np.zeros(3)

    @cuda.jit
    def kernel(out):
        out[cuda.grid(1)] = table[cuda.grid(1)]

    kernel[1, 3](out)
    table[:] = 7
    kernel[1, 3](out)
    np.testing.assert_array_equal(out, [0, 1, 2])


def test_a_captured_array_is_watched():
    shared = cuda.to_device(np.zeros(1))

    @cuda.jit
    def kernel():
        shared[0] = cuda.grid(1)

    with pytest.raises(KernelHazard, match=r"two threads touch shared\[0\] in global memory"):
        kernel[2, 1]()


def test_bytes_that_a_device_function_looks_at_are_watched_one_by_one():
    @cuda.jit(device=True)
    def put(t):
        cells = cuda.shared.array(0, np.uint8)
        cells[t] = t
        cuda.syncthreads()
        return cells[t ^ 1]

    @cuda.jit
    def first(out):
        out[cuda.threadIdx.x] = put(cuda.threadIdx.x)

    @cuda.jit
    def second(out):
        out[cuda.threadIdx.x] = put(cuda.threadIdx.x) + 1

    out = np.zeros(8, np.int32)
    for kernel, added in ((first, 0), (second, 1)):  # the device function is compiled for the first one
        kernel[1, 8, 0, 8](out)
        np.testing.assert_array_equal(out, (np.arange(8) ^ 1) + added)


def test_the_signature_that_fits_best_is_chosen():
    @cuda.jit(["(float64[::1], float32, float32)", "(float64[::1], float64, float64)"])
    def add(out, x, y):
        out[0] = x + y

    out = np.zeros(1)
    add[1, 1](out, np.float32(1), np.float32(2**-25))
    assert out[0] == 1
    add[1, 1](out, 1, 2**-25)
    assert out[0] == 1 + 2**-25


def test_a_signature_of_a_device_function_converts_what_goes_in_and_out():
    @cuda.jit("float32(float64, float64)", device=True)
    def short(x, y):
        return x + y

    @cuda.jit(["int64(int64, int64)"], device=True)
    def whole(x, y):
        return x + y

    @cuda.jit("int32(int32)", device=True)
    def factorial(n):
        return n * factorial(n - 1) if n > 1 else 1

    @cuda.jit
    def kernel(out):
        out[0], out[1], out[2] = short(1.0, 1e-12) - 1.0, whole(1.5, 2.5), factorial(5)

    out = np.zeros(3)
    kernel[1, 1](out)
    np.testing.assert_array_equal(out, [0, 3, 120])


def test_integers_of_the_same_size_pass_for_those_of_a_signature():
    @cuda.jit("(int32[:],)")
    def negate(x):
        x[cuda.grid(1)] = -x[cuda.grid(1)]

    x = np.arange(4, dtype=np.uint32)
    negate[1, 4](x)
    np.testing.assert_array_equal(x, -np.arange(4, dtype=np.uint32))
    with pytest.raises(TypeError, match="No matching definition: negate takes"):
        negate[1, 4](np.zeros(4, np.float32))


@pytest.mark.parametrize("bounds", [128, (128, 2)])
def test_launch_bounds_are_a_limit(bounds):
    @cuda.jit(launch_bounds=bounds)
    def kernel():
        pass

    kernel[1, 128]()
    with pytest.raises(KernelHazard, match="a block of 160 threads; its launch_bounds allow 128") as caught:
        kernel[1, 160]()
    assert caught.value.hazards[0].kind == "limit"


def test_a_device_function_cannot_be_launched():
    @cuda.jit(device=True)
    def square(x):
        return x * x

    with pytest.raises(RuntimeError, match="square is a device function"):
        square[1, 1](2)


def test_linked_functions_are_refused_in_one_line():
    other = cuda.declare_device("other", "float32(float32)")

    @cuda.jit
    def kernel(x):
        x[0] = other(x[0])

    with pytest.raises(TypingError, match="other is linked from code that is not Python") as caught:
        kernel[1, 1](np.zeros(1, np.float32))
    assert len(str(caught.value).splitlines()) == 1


def test_cache_hints_by_their_names():
    from numba.cuda import ldcg, stcg  # as a file does that is imported in the simulator

    @cuda.jit
    def kernel(x, y):
        stcg(y, 0, ldcg(x, 1))

    y = np.zeros(1)
    kernel[1, 1](np.array([1.0, 5.0]), y)
    assert y[0] == 5


def test_a_ufunc_with_an_output_is_watched():
    @cuda.jit
    def kernel(x, y):
        np.sin(x, y)

    x, y = np.linspace(0, 3, N), np.zeros(N)
    kernel[1, 1](x, y)
    np.testing.assert_allclose(y, np.sin(x), rtol=1e-15)
    with pytest.raises(KernelHazard, match="race in kernel kernel: two threads touch y"):
        kernel[1, 2](x, y)

    @cuda.jit
    def without(x, y):
        y[0] = np.sin(x)[0]

    with pytest.raises(TypingError, match="an array made by"):
        without[1, 1](x, y)


def test_a_float_index_of_an_atomic_operation_is_cut():
    @cuda.jit
    def kernel(counts, i):
        cuda.atomic.add(counts, i % 4, 1)  # uint64 and int64 make a float64
        cuda.atomic.add(counts, (i % 4,), 1)

    counts = np.zeros(4, np.int32)
    kernel[1, 1](counts, np.uint64(7))
    np.testing.assert_array_equal(counts, [0, 0, 0, 2])


def test_rounding_to_digits_computes_in_double_precision():
    @cuda.jit
    def kernel(x, y):
        y[0], y[1], y[2] = round(x[0], 3), round(x[1]), round(np.float64(x[0]), 3)

    y = np.zeros(3)
    kernel[1, 1](np.array([0.3425, 2.5], np.float32), y)
    np.testing.assert_array_equal(y, [np.float32(0.343), 2, 0.343])  # in float32 it would be a tie, and 0.342


def test_tuples_of_several_types_are_unrolled():
    @cuda.jit
    def kernel(y):
        for each in literal_unroll((1, 2.5)):
            y[0] += each

    y = np.zeros(1)
    kernel[1, 1](y)
    assert y[0] == 3.5


def test_ufuncs_on_the_gpu():
    @vectorize(["float32(float32, float32)", "float64(float64, float64)"], target="cuda")
    def blend(x, y):
        return x + 2 * y

    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(1)
    np.testing.assert_array_equal(blend(x, y), x + 2)
    assert blend(x, y).dtype == np.float32
    np.testing.assert_array_equal(blend(cuda.to_device(x), cuda.to_device(x)).copy_to_host(), 3 * x)
    assert blend.reduce(np.array([1.0, 2.0, 3.0, 4.0])) == 1 + 2 * 3 + 2 * (2 + 2 * 4)

    @guvectorize(["void(float64[:, :], float64[:], float64[:])"], "(m,n),(n)->(m)", target="cuda")
    def product(a, x, y):
        for i in range(a.shape[0]):
            y[i] = 0
            for k in range(x.size):
                y[i] += a[i, k] * x[k]

    a, b = np.arange(24.0).reshape(2, 3, 4), np.arange(4.0)
    np.testing.assert_array_equal(product(a, b), a @ b)


def test_arrays_of_others():
    memory = np.arange(4.0)
    assert cuda.is_cuda_array(Foreign(memory))
    assert cuda.is_cuda_array(cuda.to_device(memory))
    assert not cuda.is_cuda_array(memory)
    assert cuda.to_device(memory[:0]).__cuda_array_interface__["data"][0] == 0
    view = cuda.from_cuda_array_interface(Foreign(memory).__cuda_array_interface__)
    memory[0] = 9
    np.testing.assert_array_equal(view.copy_to_host(), memory)


class OnTheGPU:
    """An array in memory that the host cannot read."""

    @property
    def __cuda_array_interface__(self):
        return {"shape": (4,), "typestr": "<f8", "data": (4096, False), "version": 3, "strides": None}


def test_memory_of_a_gpu_is_refused():
    @cuda.jit
    def kernel(x):
        x[0] = 1

    for use in (kernel[1, 1], cuda.as_cuda_array):
        with pytest.raises(TypeError, match="OnTheGPU is in the memory of a GPU, which the simulator cannot read"):
            use(OnTheGPU())


def test_forall_of_a_negative_number_says_what_numba_says():
    with pytest.raises(ValueError, match="Can't create ForAll with negative task count: -1"):
        defined_outside.forall(-1)


def test_a_kernel_that_was_defined_outside_the_simulator():
    x = np.zeros(4)
    defined_outside[1, 4](x)
    assert x.tolist() == [1, 1, 1, 1]
    overload = defined_outside.overloads[(types.float64[::1],)]
    assert overload.max_cooperative_grid_blocks(256) >= 2
    assert not defined_outside.overloads


def test_events_are_compared_by_a_function_too():
    first, second = cuda.event(), cuda.event()
    first.record()
    second.record()
    assert cuda.event_elapsed_time(first, second) == first.elapsed_time(second)


def test_code_without_a_module_is_simulated():
    namespace = {"cuda": cuda}
    exec("def double(x):\n    return 2 * x", namespace)
    del namespace["__builtins__"]
    double = cuda.jit(device=True)(namespace["double"])
    assert double.py_func.__module__ is None or double.py_func.__module__ == "builtins"

    @cuda.jit
    def kernel(x):
        x[0] = double(x[0])

    x = np.ones(1)
    kernel[1, 1](x)
    assert x[0] == 2


@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaDeprecationWarning")  # numba-cuda's own, at the import
def test_what_a_function_of_the_library_does_is_told_of_where_it_is_called():
    from numba.cuda.random import xoroshiro128p_dtype, xoroshiro128p_uniform_float32

    states = cuda.to_device(np.zeros(1, xoroshiro128p_dtype))

    @cuda.jit
    def kernel(y):
        y[cuda.grid(1)] = xoroshiro128p_uniform_float32(states, 0)

    with pytest.raises(KernelHazard, match="race in kernel kernel: two threads touch states") as caught:
        kernel[1, 2](np.zeros(2, np.float32))
    assert "y[cuda.grid(1)] = xoroshiro128p_uniform_float32(states, 0)" in caught.value.hazards[0].text


def test_small_integers_are_float32_to_some_functions_of_math():
    @cuda.jit
    def kernel(small, exponent, y):
        y[0] = math.pow(small[0], exponent[0])
        y[1] = math.ldexp(small[0], -40) * float32(1.1)
        y[2] = math.fmod(float32(7.3), small[0]) * float32(1.1)

    y = np.zeros(3)
    kernel[1, 1](np.array([3], np.uint8), np.array([-3], np.int32), y)
    assert y[0] == np.float32(y[0])
    assert abs(y[0] - 1 / 27) < 1e-8
    assert y[1] == np.float32(3 * 2.0**-40) * np.float32(1.1)
    assert y[2] == np.fmod(np.float32(7.3), np.float32(3)) * np.float32(1.1)
