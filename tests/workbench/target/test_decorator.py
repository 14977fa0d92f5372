"""The decorator that registers kernels, and what a kernel declares of itself."""

# ruff: noqa: N803 - what the parameters are called is what this is about
import inspect

import numpy as np
import pytest
from numba import cuda as numba_cuda
from numba import njit

import kernels
from kernels import OPS
from workbench import implements
from workbench.system.errors import InputError
from workbench.target import decorator
from workbench.target.binding import bind, implementation
from workbench.target.decorator import make_kernel
from workbench.target.launch import parse_extent
from workbench.target.widening import widening


@njit
def compiled(x, y):
    for i in range(x.size):
        y.flat[i] = max(x.flat[i], 0)


def halved(x, y):
    y[...] = x / 2


def test_implements_gives_the_function_back_and_registers_it():
    decorated = implements("relu")(compiled)
    assert decorated is compiled
    (declared,) = decorator.declared
    assert (declared.function, declared.op, declared.device) == (compiled, OPS["relu"], "cpu")
    assert "compiled" in [each.name for each in kernels.implementations("relu")]


def test_declared_again_a_kernel_replaces_its_former_self():
    """As when a notebook's cell is run twice."""
    for value in (1, 2):

        @implements("relu")
        def again(x, y, value=value):
            y[...] = value

    (entry,) = [each for each in kernels.implementations("relu") if each.name == "again"]
    output = np.zeros(3)
    entry.function(np.zeros(3), output)
    assert (output == 2).all()


def test_implements_keeps_what_it_is_told():

    @implements("relu", device="cuda", grid=4, block=(8, 8), shared=16, accumulate="tf32")
    @numba_cuda.jit
    def relu(x, y):
        pass

    (declared,) = decorator.declared
    assert (declared.grid, declared.block, declared.shared, declared.accumulate) == (4, (8, 8), 16, "tf32")
    assert declared.device == "cuda"


def test_plain_python_may_be_for_either_device():
    implements("relu", device="cuda")(halved)
    assert decorator.declared[-1].device == "cuda"


def test_implements_takes_an_operation():
    from dataclasses import replace

    op = replace(OPS["relu"], name="my_relu", backward=None)
    implements(op)(halved)
    assert OPS["my_relu"] is op
    assert [each.name for each in kernels.implementations("my_relu")] == ["halved"]


@pytest.mark.parametrize(
    ("arguments", "function", "words"),
    [
        pytest.param({"op": "rellu"}, halved, ("halved", "'rellu'", "did you mean relu?"), id="operation"),
        pytest.param({"op": "relu"}, 3, ("3 is not a function",), id="no function"),
        pytest.param({"op": "relu", "device": "gpu"}, halved, ("device is 'gpu'", "cpu or cuda"), id="device"),
        pytest.param(
            {"op": "relu", "device": "cuda"}, compiled, ("compiled for cpu, not for cuda",), id="other device"
        ),
        pytest.param({"op": "relu", "accumulate": "half"}, halved, ("'half'", "float16"), id="precision"),
        pytest.param({"op": "dense"}, halved, ("takes no w",), id="parameters"),
    ],
)
def test_implements_refuses_in_one_line(refuses, arguments, function, words):
    with refuses(*words):
        implements(**arguments)(function)
    assert decorator.declared == []


# --- what a kernel declares of itself ---


def facts_of(function, op, **more):
    """What the command knows of a kernel: its binding, and the implementation that dispatch sees."""
    kernel = make_kernel(function, op, device=None, **{"grid": None, "block": None, "shared": 0} | more)
    return bind(kernel), implementation(kernel)


def test_parameters_may_have_names_of_their_own():
    def product(A, B, *, C):
        return A @ B.T + C

    bound, adapted = facts_of(product, "dense", names={"A": "x", "B": "w", "C": "b"})
    assert (bound.parameters, bound.keywords, bound.returns) == (("x", "w"), ("b",), True)
    x, w, b, y = np.ones((2, 3)), np.ones((4, 3)), np.arange(4.0), np.empty((2, 4))
    adapted.function(x, w, b, y)
    np.testing.assert_array_equal(y, x @ w.T + b)


def test_wrong_names_are_refused():
    def product(A, B):
        return A @ B.T

    with pytest.raises(InputError, match="names: it has no parameter X; it has A, B"):
        facts_of(product, "dense", names={"X": "x"})
    with pytest.raises(InputError, match="names takes weights, unknown to dense"):
        facts_of(product, "dense", names={"A": "x", "B": "weights"})
    with pytest.raises(InputError, match="takes no w"):
        facts_of(lambda x: x, "dense")


def only_3x3(x, w, b, y):
    raise AssertionError


def test_a_kernel_is_for_the_calls_that_it_declares():
    when = {"KH": 3, "KW": 3, "C": range(1, 5), "padding": 1}
    bound, adapted = facts_of(only_3x3, "conv2d", when=when, dtypes="float32")
    assert bound.fixed == ("stride", "dilation", "groups")  # padding is declared, and need not be a parameter
    assert adapted.when == "KH = 3, KW = 3, C is 1 to 4, padding = 1"
    shapes = {"x": (1, 3, 8, 8), "w": (2, 3, 3, 3), "b": (2,)}
    options = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    assert adapted.accepts(shapes, options, "float32")
    assert not adapted.accepts(shapes, options, "float64")
    assert not adapted.accepts(shapes, options | {"padding": ((0, 0), (0, 0))}, "float32")
    assert not adapted.accepts({**shapes, "w": (2, 3, 5, 3)}, options, "float32")
    assert not adapted.accepts({**shapes, "x": (1, 5, 8, 8), "w": (2, 5, 3, 3)}, options, "float32")


def test_a_required_option_that_is_declared_is_no_parameter():
    def halves(x, y):
        raise AssertionError

    bound, _ = facts_of(halves, "max_pool2d", when={"kernel_size": 2})
    assert "kernel_size" not in bound.fixed


def test_what_is_declared_wrongly_is_refused():
    with pytest.raises(InputError, match="only_3x3: when: conv2d has no axis or option 'K'"):
        facts_of(only_3x3, "conv2d", when={"K": 3})
    with pytest.raises(InputError, match="only_3x3: dtypes has 'float16'; needs float32 or float64"):
        facts_of(only_3x3, "conv2d", dtypes=("float16",))


def test_a_kernel_for_some_outputs_need_not_take_all_inputs():
    def bias_gradient(dy, db):
        db[...] = dy.sum(axis=(0, 2, 3))

    bound, adapted = facts_of(bias_gradient, "conv2d_backward")
    assert (bound.computes, bound.unused) == (("db",), ("x", "w"))
    assert adapted.computes == ("db",)


@pytest.mark.parametrize(
    ("text", "extent"), [("64", 64), ("8, 4", (8, 4)), ("-(-y.size // 128)", 2), ("(x.shape[0], 1)", (3, 1))]
)
def test_a_launch_from_the_command_line(text, extent):
    parsed = parse_extent("--grid", text)
    arrays = {"x": np.empty((3, 5)), "y": np.empty(200)}
    if callable(parsed):
        parsed = parsed(**{name: arrays[name] for name in inspect.signature(parsed).parameters})
    assert parsed == extent


def makes_doubles(x):
    return np.zeros(x.shape) + x


def has_a_literal(x):
    return x * 1.0


def test_a_widened_result_names_its_cause():
    line = inspect.getsourcelines(makes_doubles)[1] + 1
    assert widening(makes_doubles, np.dtype("float32")) == (
        f"np.zeros (line {line}) makes float64 unless it is told: give it a dtype"
    )
    assert "a literal such as 0 or 0.5 widens it" in widening(has_a_literal, np.dtype("float32"))
