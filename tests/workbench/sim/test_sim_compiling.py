"""What a kernel reaches is compiled as numba-cuda compiles it: inlined functions, modules, constants, overloads."""

import enum
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from numba import cuda, float64, int64, literal_unroll, njit
from numba.core.errors import TypingError
from numba.cuda.extending import overload as cuda_overload
from numba.extending import overload, register_jitable

from workbench.sim import KernelHazard, simulator

TABLE = np.arange(1000.0)
BACKWARDS = TABLE[::-1]
EVERY_OTHER = np.arange(200.0).reshape(10, 20)[:, ::2]
COLUMNS = np.asfortranarray(np.arange(12.0).reshape(3, 4))
LARGE = np.arange(200_000.0)
HALF = np.arange(5000.0)
OTHER_HALF = np.arange(5000.0)


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


def line_of(text):
    """Return the number of the first line of this file that holds a text."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def hazard_of(launch):
    with pytest.raises(KernelHazard) as raised:
        launch()
    return raised.value.hazards[0]


# inlined device functions


@pytest.mark.parametrize("inline", ["always", True, lambda *_: True])
def test_the_local_array_of_an_inlined_function_lives_in_the_caller(inline):
    @cuda.jit(device=True, inline=inline)
    def filled(x):
        own = cuda.local.array(64, float64)
        for i in range(64):
            own[i] = x + i
        return own

    @cuda.jit(device=True)
    def total(values):
        below = cuda.local.array(64, float64)
        for i in range(64):
            below[i] = -1.0
        return values[0] + values[63] + 0 * below[0]

    @cuda.jit
    def kernel(y):
        t = cuda.grid(1)
        one, other = filled(t), filled(100 * t)
        y[t] = total(one) + total(other)

    y = np.zeros(8)
    kernel[2, 4](y)
    np.testing.assert_array_equal(y, [2 * (t + 100 * t) + 126 for t in range(8)])


def test_inlined_functions_inline_others_and_are_watched():
    @cuda.jit(device=True, inline="always")
    def inner(part, t):
        part[t] = t  # inlined write
        return part[0]

    @cuda.jit(device=True, inline="always")
    def outer(part, t):
        return inner(part, t) + 1

    @cuda.jit
    def kernel(y):
        part = cuda.shared.array(4, int64)
        y[cuda.threadIdx.x] = outer(part, cuda.threadIdx.x)

    hazard = hazard_of(lambda: kernel[1, 4](np.zeros(4)))
    assert hazard.kind == "race"
    assert line_of("# inlined write") in hazard.lines
    assert "part[0]" in hazard.text


def test_names_of_inlined_arrays_are_those_of_the_source():
    @cuda.jit(device=True, inline="always")
    def beyond(i):
        own_name = cuda.local.array(4, float64)
        return own_name[i]  # inlined beyond

    @cuda.jit
    def kernel(y):
        y[0] = beyond(4)

    hazard = hazard_of(lambda: kernel[1, 1](np.zeros(1)))
    assert hazard.summary.startswith("own_name[4]")
    assert hazard.lines == (line_of("# inlined beyond"),)


def test_a_shuffle_in_an_inlined_function_is_followed():
    @cuda.jit(device=True, inline="always")
    def from_next(value):
        return cuda.shfl_down_sync(0x7, value, 1)

    @cuda.jit
    def kernel(y):
        t = cuda.threadIdx.x
        if t < 3:
            y[t] = from_next(np.int32(t))

    assert hazard_of(lambda: kernel[1, 4](np.zeros(4, np.int32))).kind == "absent-lane"


def test_an_inlined_function_that_calls_itself_is_refused():
    @cuda.jit(device=True, inline="always")
    def down(x):
        return down(x - 1) if x > 0 else 0

    @cuda.jit
    def kernel(y):
        y[0] = down(3)

    with pytest.raises(TypingError, match="calls itself and cannot be inlined"):
        kernel[1, 1](np.zeros(1))


def test_inlining_a_function_compiled_for_the_cpu():
    @njit(inline="always")
    def doubled(x):
        return 2 * x

    @cuda.jit
    def kernel(y):
        y[0] = doubled(3)

    y = np.zeros(1)
    kernel[1, 1](y)
    assert y[0] == 6


# local arrays that a device function returns


@cuda.jit(device=True)
def returns_its_array(x):
    own = cuda.local.array(8, float64)
    own[0] = x
    return own  # ends here


@cuda.jit(device=True)
def returns_a_view(x):
    own = cuda.local.array(8, float64)
    own[4] = x
    return own[4:]  # view ends here


@cuda.jit(device=True)
def returns_a_tuple(x):
    own = cuda.local.array(8, float64)
    own[0] = x
    return x, own  # tuple ends here


@cuda.jit(device=True)
def returns_another_ones(x):
    return returns_its_array(x)


@pytest.mark.parametrize(
    ("function", "marked"),
    [
        (returns_its_array, "# ends here"),
        (returns_a_view, "# view ends here"),
        (returns_another_ones, "# ends here"),
    ],
)
@pytest.mark.parametrize("hazards", [True, False])
def test_a_returned_local_array_is_a_hazard(function, marked, hazards):
    @cuda.jit
    def kernel(y):
        y[0] = function(1.0)[0]

    with simulator(hazards=hazards):
        hazard = hazard_of(lambda: kernel[1, 1](np.zeros(1)))
    assert hazard.kind == "dangling"
    assert hazard.lines == (line_of(marked),)


def test_a_local_array_in_a_returned_tuple_is_a_hazard():
    @cuda.jit
    def kernel(y):
        y[0] = returns_a_tuple(1.0)[1][0]

    hazard = hazard_of(lambda: kernel[1, 1](np.zeros(1)))
    assert (hazard.kind, hazard.lines) == ("dangling", (line_of("# tuple ends here"),))


def test_arrays_that_outlive_the_function_may_be_returned():
    @cuda.jit(device=True)
    def larger(a, b):
        return a if a[0] > b[0] else b

    @cuda.jit(device=True)
    def both(a, b):
        return larger(a, b), b[1:]

    @cuda.jit
    def kernel(x, y):
        own = cuda.local.array(2, float64)
        own[0] = 1.0
        own[1] = 7.0
        part = cuda.shared.array(2, float64)
        part[0] = 2.0
        part[1] = 8.0
        first, second = both(own, part)
        third, _ = both(first, x)
        y[0], y[1], y[2] = first[0], second[0], third[0]

    x, y = np.array([3.0, 4.0]), np.zeros(3)
    kernel[1, 1](x, y)
    np.testing.assert_array_equal(y, [2.0, 8.0, 3.0])


# captured arrays in host memory


@pytest.mark.parametrize("table", [BACKWARDS, EVERY_OTHER[:, 0], EVERY_OTHER[3], TABLE[::3], np.zeros((0,))[::-1]])
def test_captured_views_are_constants(table):
    @cuda.jit
    def kernel(y):
        t = cuda.grid(1)
        if t < y.size:
            y[t] = table[t]

    y = np.zeros_like(table)
    kernel[-(-table.size // 64) or 1, 64](y)
    np.testing.assert_array_equal(y, table)


TABLES = (np.arange(6.0).reshape(2, 3)[::-1], TABLE[5:0:-2], COLUMNS, np.arange(4.0))


def test_captured_tuples_of_views_are_constants():
    @cuda.jit
    def kernel(y):
        i = 0
        for table in literal_unroll(TABLES):
            y[i] = np.sum(table)
            y[i + 1] = table.flat[1]
            i += 2

    y = np.zeros(8)
    kernel[1, 1](y)
    np.testing.assert_array_equal(y, [number for table in TABLES for number in (table.sum(), table.flat[1])])


def test_a_default_that_is_a_view_is_a_constant():
    @cuda.jit(device=True)
    def read(i, table=BACKWARDS[:50]):
        return table[i]

    @cuda.jit
    def kernel(y):
        y[0] = read(7)

    y = np.zeros(1)
    kernel[1, 1](y)
    assert y[0] == BACKWARDS[7]


def test_captured_columns_keep_their_order():
    @cuda.jit
    def kernel(y):
        for i in range(3):
            for j in range(4):
                y[i, j] = COLUMNS[i, j] + EVERY_OTHER[i, j]

    y = np.zeros((3, 4))
    kernel[1, 1](y)
    np.testing.assert_array_equal(y, COLUMNS + EVERY_OTHER[:3, :4])


def test_a_captured_view_is_checked_for_bounds():
    @cuda.jit
    def kernel(y):
        y[0] = BACKWARDS[1000 + cuda.threadIdx.x]

    assert hazard_of(lambda: kernel[1, 1](np.zeros(1))).kind == "out-of-bounds"


def test_constants_beyond_constant_memory_are_refused():
    @cuda.jit
    def one(y):
        y[0] = LARGE[y.size * 7]

    @cuda.jit
    def together(y):
        y[0] = HALF[y.size] + OTHER_HALF[y.size]

    with pytest.raises(TypingError, match=r"captured LARGE, in host memory, becomes a constant of 1,600,000 bytes"):
        one[1, 1](np.zeros(1))
    with pytest.raises(TypingError, match=r"HALF, OTHER_HALF, .* 80,000 bytes; constant memory holds 65,536"):
        together[1, 1](np.zeros(1))


# attributes of modules


@pytest.fixture
def package(monkeypatch):
    """A package of device functions, and a module in it."""
    package, inner = types.ModuleType("gpu_package"), types.ModuleType("gpu_package.inner")
    source = (
        "from numba import cuda\nimport numpy as np\nTABLE = np.arange(10.)[::-1]\nSCALE = 3\n"
        "@cuda.jit(device=True)\ndef own(x):\n    return cuda.threadIdx.x + x\n"
        "@cuda.jit('int64(int64)', device=True)\ndef typed(x):\n    return x\n"
        "def plain(x):\n    return x\n"
    )
    exec(source, vars(inner))
    package.inner = inner
    monkeypatch.setitem(sys.modules, "gpu_package", package)
    monkeypatch.setitem(sys.modules, "gpu_package.inner", inner)
    return package


def test_device_functions_of_modules_are_simulated(package):
    inner = package.inner

    @cuda.jit
    def kernel(y):
        t = inner.cuda.grid(1)
        alias = inner.own
        y[t] = inner.own(1) + package.inner.own(10) + alias(100) + inner.typed(2.7) + inner.TABLE[t] + inner.SCALE

    y = np.zeros(4)
    kernel[1, 4](y)
    np.testing.assert_array_equal(y, [3 * t + 111 + 2 + (9 - t) + 3 for t in range(4)])


def test_a_shuffle_in_a_module_is_followed(package):
    exec("@cuda.jit(device=True)\ndef moved(x):\n    return cuda.shfl_down_sync(7, x, 1)\n", vars(package.inner))

    @cuda.jit
    def kernel(y):
        t = cuda.threadIdx.x
        if t < 3:
            y[t] = package.inner.moved(np.int32(t))

    assert hazard_of(lambda: kernel[1, 4](np.zeros(4, np.int32))).kind == "absent-lane"


def test_plain_functions_of_modules_are_refused(package):
    @cuda.jit
    def kernel(y):
        y[0] = package.inner.plain(1)

    with pytest.raises(TypingError, match="plain is a plain Python function"):
        kernel[1, 1](np.zeros(1))


# functions with overloads


def both_targets(x):
    """Stands for a function with implementations for CUDA and for every target."""


def cuda_only(x, by):
    """Stands for a function with an implementation for CUDA."""


def generic_only(x, i):
    """Stands for a function with an implementation for every target."""


@overload(both_targets)
def _generic(x):
    return lambda x: x


@overload(both_targets, target="cuda")
def _for_cuda(x):
    return lambda x: cuda.threadIdx.x + 2 * x


@cuda_overload(cuda_only)
def _only(x, by):
    if isinstance(by, cuda.types.Integer):
        return lambda x, by: x * by
    return lambda x, by: -x // by


@overload(generic_only)
def _everywhere(x, i):
    def read(x, i):
        return x[i]  # read by an overload

    return read


def test_overloads_for_cuda_come_before_generic_ones():
    @cuda.jit
    def kernel(y):
        y[0], y[1], y[2], y[3] = both_targets(1), cuda_only(3, 4), cuda_only(3, 4.0), generic_only(y, 2)

    y = np.array([0.0, 0.0, 5.0, 0.0])
    kernel[1, 1](y)
    np.testing.assert_array_equal(y, [2, 12, -1, 5])


def test_accesses_in_overloads_are_watched():
    @cuda.jit
    def kernel(y):
        y[cuda.threadIdx.x] = generic_only(y, 5)

    hazard = hazard_of(lambda: kernel[1, 1](np.zeros(5)))
    assert (hazard.kind, hazard.lines) == ("out-of-bounds", (line_of("# read by an overload"),))


def test_an_overload_for_cuda_of_a_function_of_numpy():
    def three(x):
        return (lambda x: x / 2 - 1) if isinstance(x, cuda.types.Float) else None

    overload(np.cbrt, target="cuda")(three)

    @cuda.jit
    def kernel(x, y):
        y[0] = np.cbrt(x)

    y = np.zeros(1)
    kernel[1, 1](8.0, y)
    assert y[0] == 3.0


@register_jitable
def for_any_target(x, i):
    return x[i]  # read by a function for any target


def test_functions_for_any_target_are_simulated():
    @cuda.jit
    def kernel(y):
        y[0] = for_any_target(y, 1)

    y = np.array([0.0, 7.0])
    kernel[1, 1](y)
    assert y[0] == 7
    hazard = hazard_of(lambda: kernel[1, 1](np.zeros(1)))
    assert (hazard.kind, hazard.lines) == ("out-of-bounds", (line_of("# read by a function for any target"),))


# arguments and errors


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 3
    HIGH = 4


class Planet(enum.Enum):
    VENUS = (4.869e24, 6.0518e6)
    EARTH = (5.976e24, 6.37814e6)


def test_enum_members_are_arguments():
    @cuda.jit
    def kernel(color, level, planet, y):
        y[0] = 10 if color == Color.BLUE else 20
        y[1] = level + 1
        y[2] = level == Level.HIGH
        y[3] = planet.value[1]
        y[4] = planet is Planet.EARTH

    y = np.zeros(5)
    kernel[1, 1](Color.BLUE, Level.HIGH, Planet.EARTH, y)
    np.testing.assert_array_equal(y, [10, 5, 1, 6.37814e6, 1])


def test_an_import_inside_a_kernel_is_refused_in_words():
    names = {}
    exec(compile("def kernel(y):\n    import math\n\n    y[0] = math.sqrt(2.0)\n", "blur.py", "exec"), names)
    with pytest.raises(TypingError, match=r"import math inside a kernel is not supported.*\(blur.py:2\)"):
        cuda.jit(names["kernel"])[1, 1](np.zeros(1))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "    try:\n        y[0] = 1 / y[1]\n    except Exception:\n        y[0] = 0\n",
            r"try and with .*\(blur.py:4\)",
        ),
        ("    y[0] = 1\n    return 1\n", "must not return a value, this one returns Literal"),
        ("    if y[0] > 0:\n        return y[0]\n", "must not return a value, this one returns OptionalType"),
    ],
)
def test_what_the_cuda_compiler_refuses_is_refused(body, words):
    names = {}
    exec(compile(f"def kernel(y):\n{body}", "blur.py", "exec"), names)
    with pytest.raises(TypingError, match=words):
        cuda.jit(names["kernel"])[1, 1](np.zeros(2))


def test_a_failed_compilation_is_remembered_until_what_it_uses_changes(monkeypatch):
    from workbench.sim.compiler import compilation

    compiled = []
    real = compilation._compiled
    monkeypatch.setattr(compilation, "_compiled", lambda *given, **named: compiled.append(1) or real(*given, **named))
    names = {"cuda": cuda, "wanted": object()}
    exec("def kernel(y):\n    y[0] = wanted", names)
    kernel = cuda.jit(names["kernel"])
    for _ in range(3):
        with pytest.raises(TypingError, match="kernel cannot be compiled"):
            kernel[1, 1](np.zeros(1))
    assert len(compiled) == 1
    names["wanted"] = 5
    y = np.zeros(1)
    kernel[1, 1](y)
    assert (y[0], len(compiled)) == (5, 2)
