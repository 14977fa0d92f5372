"""Twins of compiled functions: plain Python, and compiled with checks of every index."""

import importlib.util
import sys
import types

import numpy as np
import pytest
from numba import njit, prange

from kernels.simd.product import aligned
from workbench.checking.rebuilding import bounds_checked, rebuild, uncompiled
from workbench.inspecting.cpu.compiled_code import compile_with_lines


@njit
def even(n):
    return n == 0 or odd(n - 1)


@njit
def odd(n):
    return n != 0 and even(n - 1)


@njit
def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def plain_wrapper(x, scale=3):
    """Call a kernel."""
    return factorial(x) * scale


def no_dispatcher(x):
    return x


class CompiledError(Exception):
    pass


@pytest.fixture
def no_compiler(monkeypatch):
    def refuse(*_args, **_options):
        raise CompiledError

    monkeypatch.setattr("numba.core.dispatcher.Dispatcher.compile", refuse)


def test_an_uncompiled_twin_compiles_nothing(no_compiler):
    twin = uncompiled(even)
    assert twin(10)
    assert not twin(7)
    assert uncompiled(factorial)(5) == 120
    assert uncompiled(plain_wrapper)(4) == 72
    fresh = njit(lambda n: n)
    with pytest.raises(CompiledError):
        fresh(1)


def test_a_twin_keeps_what_its_function_says_of_itself():
    twin = uncompiled(plain_wrapper)
    assert twin is not plain_wrapper
    for name in ("__name__", "__qualname__", "__doc__", "__defaults__", "__kwdefaults__", "__module__"):
        assert getattr(twin, name) == getattr(plain_wrapper, name)
    assert uncompiled(no_dispatcher) is no_dispatcher
    assert plain_wrapper.__globals__["factorial"] is factorial


def test_closures_are_rebuilt(no_compiler):
    def factory(scale):
        @njit
        def helper(x):
            return x * scale

        @njit
        def kernel(x):
            return helper(x) if x > 1 else kernel(x + 1)

        return kernel

    assert uncompiled(factory(7))(0) == 14


def test_modules_are_replaced_by_stand_ins(no_compiler, tmp_path, monkeypatch):
    (tmp_path / "some_helpers.py").write_text(
        "from numba import njit\nCONSTANT = 5\n@njit\ndef f(x):\n    return x + CONSTANT\n"
    )
    spec = importlib.util.spec_from_file_location("some_helpers", tmp_path / "some_helpers.py")
    helpers = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "some_helpers", helpers)
    spec.loader.exec_module(helpers)
    package = types.ModuleType("package")
    package.helpers = helpers

    def direct(x):
        return helpers.f(x) + helpers.CONSTANT

    def nested(x):
        return package.helpers.f(x) + np.abs(-1)

    original = helpers.f
    assert uncompiled(njit(direct))(1) == 11
    assert uncompiled(nested)(1) == 7
    assert helpers.f is original


def test_bounds_checking_reaches_modules(tmp_path):
    helpers = types.ModuleType("bounds_helpers")
    exec("from numba import njit\n@njit\ndef f(x, i):\n    return x[i]\n", vars(helpers))

    @njit
    def kernel(x, i):
        return helpers.f(x, i)

    twin = bounds_checked(kernel)
    assert twin(np.arange(3.0), 2) == 2
    with pytest.raises(IndexError):
        twin(np.arange(3.0), 3)


def test_compile_again_decides_what_a_twin_is():
    seen = []

    def compile_again(dispatcher, function):
        seen.append(dispatcher)
        return function

    rebuild(even, compile_again)
    assert seen == [even, odd]


@njit(inline="always")
def inner_pick(x, index):
    return x[index]


@njit("float64(float64[::1], int64)", parallel={"prange": True}, error_model="numpy", nogil=True)
def picks(x, index):
    total = 0.0
    for _ in prange(2):
        total += inner_pick(x, index)
    return total / 2


@pytest.fixture(scope="module")
def checked_picks():
    return bounds_checked(picks)


@pytest.mark.parametrize("index", [-5, -4, -3, -1, 0, 2, 3, 4])
def test_a_bounds_checked_twin_raises_exactly_outside(checked_picks, index):
    x = np.arange(4, dtype=np.float32)  # the explicit signature of the original refuses it
    if -4 <= index < 4:
        assert checked_picks(x, index) == x[index]
    else:
        with pytest.raises(IndexError):
            checked_picks(x, index)


def test_a_bounds_checked_twin_keeps_the_options(checked_picks):
    options = picks.targetoptions | {"boundscheck": True, "parallel": False}
    assert checked_picks.targetoptions == options
    assert bounds_checked(no_dispatcher) is no_dispatcher


def test_a_twin_of_a_helper_for_compiled_code_can_be_called_from_python():
    def of_python(like):
        return aligned(5, like)

    like = np.zeros(3, np.float32)
    assert bounds_checked(of_python)(like).size == 5
    assert compile_with_lines(of_python, (like,)).codes
