"""The adapter between a user's kernel and the calling convention."""

# ruff: noqa: ARG005 - what the parameters are called is what this is about

import numpy as np
import pytest
from numba import cuda as numba_cuda
from numba import guvectorize, njit, stencil, vectorize

import kernels
from kernels import OPS
from kernels.call import registry
from kernels.declare.op import Implementation
from workbench.target.binding import (
    UserKernel,
    WrongResult,
    bind,
    function_name,
    implementation,
    is_kernel,
    kind_of,
    python_function,
)

CONV = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


def kernel(function, op="relu", device="cpu", **launch):
    return UserKernel(function=function, op=OPS[op], device=device, **launch)


def call(function, op, *inputs, options=(), outputs=None):
    """Call a kernel through its adapter, on outputs of NaN; return the outputs."""
    shapes = {item.name: array.shape for item, array in zip(OPS[op].inputs, inputs, strict=True)}
    names = (option.name for option in OPS[op].options)
    normal = dict(zip(names, options, strict=True))
    made = tuple(np.full(shape, np.nan, inputs[0].dtype) for shape in OPS[op].output_shapes(shapes, normal))
    adapted = implementation(kernel(function, op))
    adapted.function(*inputs, *options, *(outputs or adapted.of_outputs(OPS[op].outputs, made)))
    return made


X = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], np.float32)
W = np.arange(12, dtype=np.float32).reshape(4, 3)
B = np.array([1, 2, 3, 4], np.float32)


# Names and order


def test_parameters_are_bound_by_name_in_any_order():
    def dense(y, b, x, w):
        y[...] = x @ w.T + b

    bound = bind(kernel(dense, "dense"))
    assert bound.parameters == ("y", "b", "x", "w")
    assert (bound.keywords, bound.computes, bound.returns, bound.fixed) == ((), ("y",), False, ())
    np.testing.assert_array_equal(call(dense, "dense", X, W, B)[0], X @ W.T + B)


def test_keyword_only_parameters():
    def dense(x, *, y, w, b):
        y[...] = x @ w.T + b

    bound = bind(kernel(dense, "dense"))
    assert (bound.parameters, bound.keywords) == (("x",), ("y", "w", "b"))
    np.testing.assert_array_equal(call(dense, "dense", X, W, B)[0], X @ W.T + B)


def test_positional_only_parameters():
    def dense(x, w, b, /):
        return x @ w.T + b

    np.testing.assert_array_equal(call(dense, "dense", X, W, B)[0], X @ W.T + B)


def test_without_its_output_a_kernel_returns():
    bound = bind(kernel(lambda x: np.maximum(x, 0)))
    assert (bound.parameters, bound.computes, bound.returns) == (("x",), ("y",), True)
    np.testing.assert_array_equal(call(lambda x: np.maximum(x, 0), "relu", X)[0], np.maximum(X, 0))


def test_what_a_kernel_that_fills_returns_is_ignored():
    def relu(x, y):
        y[...] = np.maximum(x, 0)
        return "done"

    np.testing.assert_array_equal(call(relu, "relu", X)[0], np.maximum(X, 0))


def test_several_outputs_are_returned_in_order():
    def dense_backward(dy, x, w):
        return dy @ w, dy.T @ x, dy.sum(axis=0)

    dy = X @ W.T
    dx, dw, db = call(dense_backward, "dense_backward", dy, X, W)
    for got, expected in ((dx, dy @ W), (dw, dy.T @ X), (db, dy.sum(axis=0))):
        np.testing.assert_array_equal(got, expected)


def test_a_kernel_may_compute_part_of_the_outputs():
    def weights(dy, x, w, dw):
        dw[...] = dy.T @ x

    assert bind(kernel(weights, "dense_backward")).computes == ("dw",)
    assert implementation(kernel(weights, "dense_backward")).computes == ("dw",)
    dx, dw, db = call(weights, "dense_backward", X @ W.T, X, W)
    assert np.isnan(dx).all()
    assert np.isnan(db).all()
    np.testing.assert_array_equal(dw, (X @ W.T).T @ X)


def test_all_outputs_are_no_part():
    def everything(dy, x, w, dx, dw, db):
        pass

    assert implementation(kernel(everything, "dense_backward")).computes is None


@pytest.mark.parametrize("number", [float, int, np.int64, np.float32])
def test_a_scalar_output_may_be_a_number(number):
    def loss(logits, labels):
        return number(logits[0, labels[0]])

    assert call(loss, "cross_entropy", X, np.array([2, 0]), options=(0.0,))[0] == 3


# Options and defaults


def test_options_that_are_not_taken_stay_at_their_default():
    def conv(x, w, b, stride, y):
        y[...] = stride[0]

    assert bind(kernel(conv, "conv2d")).fixed == ("padding", "dilation", "groups")
    accepts = implementation(kernel(conv, "conv2d")).accepts
    shapes = {"x": (1, 2, 5, 5), "w": (2, 2, 3, 3), "b": (2,)}
    assert accepts(shapes, CONV, "float32")
    assert accepts(shapes, CONV | {"stride": (2, 3)}, "float32")
    assert not accepts(shapes, CONV | {"groups": 2}, "float32")
    assert not accepts(shapes, CONV | {"padding": ((0, 0), (0, 1))}, "float32")


def test_a_default_that_follows_another_option():
    """A pool whose stride is not given strides by its window."""

    def pool(x, kernel_size, y):
        pass

    accepts = implementation(kernel(pool, "max_pool2d")).accepts
    options = {"kernel_size": (2, 3), "stride": (2, 3), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    options = {option.name: (options | {"ceil_mode": False})[option.name] for option in OPS["max_pool2d"].options}
    assert accepts({"x": (1, 1, 6, 6)}, options, "float32")
    assert not accepts({"x": (1, 1, 6, 6)}, options | {"stride": (1, 1)}, "float32")


def test_an_optional_input_that_is_not_taken_is_fixed():
    def dense(x, w, y):
        y[...] = x @ w.T

    assert bind(kernel(dense, "dense")).fixed == ("b",)
    np.testing.assert_array_equal(call(dense, "dense", X, W, B)[0], X @ W.T)


def test_options_arrive_in_normal_form():
    seen = []

    def conv(x, w, b, stride, padding, dilation, groups, y):
        seen.extend((stride, padding, dilation, groups))

    arrays = np.ones((1, 2, 4, 4), np.float32), np.ones((2, 1, 2, 2), np.float32), np.ones(2, np.float32)
    call(conv, "conv2d", *arrays, options=((1, 2), ((0, 1), (2, 0)), (1, 1), 2))
    assert seen == [(1, 2), ((0, 1), (2, 0)), (1, 1), 2]


def test_parameters_of_its_own_keep_their_default():
    def relu(x, y, floor=0, *, ceiling=4):
        y[...] = np.clip(x, floor, ceiling)

    assert bind(kernel(relu)).parameters == ("x", "y")
    np.testing.assert_array_equal(call(relu, "relu", X)[0], np.clip(X, 0, 4))


def test_own_parameters_before_the_operations_are_refused(refuses):
    with refuses("takes floor before y", "last"):
        bind(kernel(lambda x, floor=0, y=None: None))


# What does not bind


@pytest.mark.parametrize(
    ("function", "op", "words"),
    [
        pytest.param(lambda x, w, b, strid, y: None, "conv2d", ("strid", "did you mean stride?"), id="misspelt"),
        pytest.param(
            lambda x, alpha, y: None,
            "relu",
            ("takes alpha, unknown to relu", "it has x, y", 'names={"alpha": "..."}'),
            id="stranger",
        ),
        pytest.param(lambda image, filters, b, y: None, "conv2d", ("takes image, filters, unknown",), id="strangers"),
        pytest.param(lambda x, *, alpha, y: None, "relu", ("takes alpha",), id="stranger by keyword"),
        pytest.param(lambda *arrays: None, "relu", ("takes *arrays",), id="*args"),
        pytest.param(lambda x, y, **options: None, "relu", ("takes **options",), id="**kwargs"),
        pytest.param(lambda x, b, y: None, "dense", ("takes no w, an input of dense",), id="input not taken"),
        pytest.param(lambda x, y: None, "max_pool2d", ("takes no kernel_size",), id="needed option not taken"),
        pytest.param(lambda: None, "relu", ("takes no x",), id="nothing taken"),
    ],
)
def test_what_does_not_bind_is_refused(refuses, function, op, words):
    with refuses(*words):
        bind(kernel(function, op))


def test_cuda_kernels_need_an_output_and_a_launch(refuses):
    @numba_cuda.jit
    def fills(x, y):
        pass

    @numba_cuda.jit
    def returns(x):
        pass

    with refuses("returns is a CUDA kernel and cannot return", "add y"):
        bind(kernel(returns, device="cuda", grid=1, block=1))
    for launch in ({}, {"grid": 1}, {"block": 32}):
        with refuses("CUDA kernel without a launch", '@implements("relu"'):
            bind(kernel(fills, device="cuda", **launch))


# What is returned


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: None, "returns None; needs y, or take y as a parameter"),
        (lambda x: 3, "returns an int for y; needs an array"),
        (lambda x: x.tolist(), "returns a list for y; needs an array"),
        (lambda x: (x, x), "returns a tuple for y; needs an array"),
        (lambda x: np.maximum(x, 0)[:1], r"returns y of shape \(1, 3\); needs \(2, 3\)"),
        (lambda x: np.maximum(x, 0.0).astype(np.float64), "returns y of dtype float64; needs float32; a literal"),
        (lambda x: np.maximum(x, 0).astype(np.float16), "returns y of dtype float16; needs float32$"),
        (lambda x: x, "returns y in the memory of its input x"),
        (lambda x: x[::-1], "returns y in the memory of its input x"),
    ],
)
def test_a_wrong_result_is_named(function, words):
    with pytest.raises(WrongResult, match=words):
        call(function, "relu", X.copy())


@pytest.mark.parametrize("result", [lambda dy: dy, lambda dy: (dy, dy)])
def test_too_few_results_are_named(result):
    with pytest.raises(WrongResult, match="needs a tuple of 3 arrays: dx, dw, db"):
        call(lambda dy, x, w: result(dy), "dense_backward", X @ W.T, X, W)


# Decorated functions


@njit
def compiled(x, y):
    for i in range(x.size):
        y.flat[i] = max(x.flat[i], 0)


@vectorize
def elementwise(x):
    return max(x, np.float32(0))


@vectorize(["float32(float32)"])
def with_signature(x):
    return max(x, np.float32(0))


@guvectorize(["void(float32[:], float32[:])"], "(n)->(n)")
def rows(x, y):
    for i in range(x.size):
        y[i] = max(x[i], np.float32(0))


@stencil
def stencilled(x):
    return max(x[0, 0], x.dtype.type(0))


STYLES = {"compiled": compiled, "elementwise": elementwise, "with_signature": with_signature, "rows": rows}


@pytest.mark.parametrize("name", STYLES)
def test_every_style_binds_and_runs(name):
    function = STYLES[name]
    assert is_kernel(function)
    assert function_name(function) == name
    assert kind_of(function) == "cpu"
    assert implementation(kernel(function)).name == name
    np.testing.assert_array_equal(call(function, "relu", X)[0], np.maximum(X, 0))


def test_a_stencil_binds():
    assert is_kernel(stencilled)
    assert (function_name(stencilled), kind_of(stencilled)) == ("stencilled", "cpu")
    assert bind(kernel(stencilled)).parameters == ("x",)
    assert bind(kernel(stencilled)).returns


def test_the_function_behind_a_decorator():
    assert python_function(compiled) is compiled.py_func
    assert python_function(test_a_stencil_binds) is test_a_stencil_binds
    assert python_function(np.maximum) is None


@pytest.mark.parametrize("value", [3, "relu", np, UserKernel, None, object()])
def test_what_is_no_kernel(value):
    assert not is_kernel(value)


def test_a_host_function_that_launches_is_for_cuda():
    @numba_cuda.jit
    def inner(x, y):
        pass

    def by_closure(x, y):
        inner[1, 1](x, y)

    def by_module(x, y):
        numba_cuda.synchronize()

    assert kind_of(inner) == kind_of(by_closure) == kind_of(by_module) == "cuda"
    assert kind_of(lambda x, y: None) == "cpu"


@numba_cuda.jit
def relu_by_rows(x, y):
    n, k = numba_cuda.blockIdx.x, numba_cuda.threadIdx.x
    y[n, k] = max(x[n, k], 0)


def test_a_launch_by_name(cuda):
    """Grid, block and shared memory are numbers or functions of the arrays and options by name."""
    for grid, block in ((2, 3), ((2,), (3,)), (lambda x: x.shape[0], lambda y, x: y.shape[1]), ([2, 1], (3, 1, 1))):
        adapted = implementation(kernel(relu_by_rows, device="cuda", grid=grid, block=block, shared=lambda x: x.size))
        x, y = kernels.to_device(X), kernels.to_device(np.full_like(X, np.nan))
        adapted.function(x, y)
        np.testing.assert_array_equal(kernels.to_host(y), np.maximum(X, 0))


def test_a_grid_without_blocks_is_not_launched(cuda):
    adapted = implementation(kernel(relu_by_rows, device="cuda", grid=lambda x: (x.size, 1), block=32))
    empty = kernels.to_device(np.empty(0, np.float32))
    adapted.function(empty, empty)


# The implementation, and dispatch


def test_an_implementation_takes_views():
    """A user's kernel gets strided arrays as they are: whether it takes them is part of the check."""
    made = implementation(kernel(compiled))
    assert (made.op, made.device, made.algorithm, made.views, made.computes) == ("relu", "cpu", "user", True, None)
    assert isinstance(made, Implementation)


def test_another_function_in_its_place():
    seen = []
    made = implementation(kernel(lambda y, x: None), lambda y, x: seen.append((y, x)))
    made.function("x", "y")
    assert seen == [("y", "x")]


def halved(x, y):
    y[...] = x / 2


def test_dispatch_uses_a_preferred_implementation_until_it_is_gone():
    entry = implementation(kernel(halved))
    kernels.register(entry, preferred=True)
    np.testing.assert_array_equal(kernels.relu(X), X / 2)
    np.testing.assert_array_equal(kernels.relu_backward(X, X), np.where(X > 0, X, 0))
    registry.unregister(entry)
    np.testing.assert_array_equal(kernels.relu(X), np.maximum(X, 0))


def test_dispatch_goes_on_to_the_built_in_kernel_unless_preferred():
    kernels.register(implementation(kernel(halved)))
    assert [each.name for each in kernels.implementations("relu")][-1] == "halved"
    np.testing.assert_array_equal(kernels.relu(X), np.maximum(X, 0))


def test_dispatch_leaves_out_what_a_kernel_does_not_accept():
    def conv(x, w, b, y):
        y[...] = 42

    kernels.register(implementation(kernel(conv, "conv2d")), preferred=True)
    x, w, b = np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 2, 2), np.float32), np.zeros(1, np.float32)
    assert (kernels.conv2d(x, w, b) == 42).all()
    assert (kernels.conv2d(x, w, b, stride=2) == 4).all()


def test_dispatch_leaves_out_a_kernel_of_part_of_the_outputs():
    def weights(dy, x, w, dw):
        dw[...] = 42

    kernels.register(implementation(kernel(weights, "dense_backward")), preferred=True)
    _, dw, _ = kernels.dense_backward(X @ W.T, X, W)
    assert not (dw == 42).any()
