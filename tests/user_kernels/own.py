"""Operations of the user's own, and their kernels."""

from math import prod

import numpy as np
from numba import cuda, njit, stencil

from kernels import Op
from kernels.op import Input, Option
from kernels.rounding import Sum
from workbench import implements


def leaky_relu_reference(x, slope, y):
    """Compute y = x where x > 0, else slope*x."""
    source, target = x.reshape(x.size), y.reshape(y.size)
    for i in range(source.size):
        target[i] = source[i] if source[i] > 0 else slope * source[i]


LEAKY_RELU = Op(
    name="leaky_relu",
    summary="x where it is positive, slope*x elsewhere",
    inputs=(Input(name="x", axes=("N", "K")),),
    options=(Option(name="slope", form="number", default=0.01, low=0, high=1),),
    outputs=("y",),
    output_shapes=lambda shapes, _options: (shapes["x"],),
    flops=lambda shapes, _options: prod(shapes["x"]),
    rounding=Sum(lambda _shapes, _options: (2,), magnitudes=("x",), divides=True),  # slope is no integer
    reference=leaky_relu_reference,
)


@implements(LEAKY_RELU)
@njit
def leaky(x, slope, y):
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 else slope * x.flat[i]


@implements("leaky_relu")
def leaky_default(x, y):
    y[...] = np.where(x > 0, x, 0.01 * x)


@implements("leaky_relu", grid=lambda x: -(-x.size // 32), block=32)
@cuda.jit
def leaky_cuda(x, slope, y):
    i = cuda.grid(1)
    if i < x.size:
        value = x.reshape(x.size)[i]
        y.reshape(y.size)[i] = value if value > 0 else slope * value


def moving_sum_reference(x, width, y):
    """Compute y[i] = x[i] + ... + x[i + width - 1]."""
    for i in range(y.size):
        y[i] = 0
        for k in range(width):
            y[i] += x[i + k]


MOVING_SUM = Op(
    name="moving_sum",
    summary="the sum of so many neighbours",
    inputs=(Input(name="x", axes=("K",)),),
    options=(Option(name="width", form="count", default=3, low=1, high=9),),
    outputs=("y",),
    output_shapes=lambda shapes, options: ((shapes["x"][0] - options["width"] + 1,),),
    flops=lambda shapes, options: options["width"] * (shapes["x"][0] - options["width"] + 1),
    rounding=Sum(lambda _shapes, options: (options["width"],), magnitudes=("x",)),
    reference=moving_sum_reference,
    linear_in=("x",),
    least={"K": lambda _sizes, options: options["width"]},
)


@implements(MOVING_SUM)
@njit
def moving(x, width, y):
    for i in range(y.size):
        y[i] = x[i : i + width].sum()


def neighbours_reference(x, y):
    """Compute y[i] = x[i-1] + x[i+1], 0 at both ends."""
    y[...] = 0
    for i in range(1, x.size - 1):
        y[i] = x[i - 1] + x[i + 1]


NEIGHBOURS = Op(
    name="neighbours",
    summary="the sum of the neighbours on either side",
    inputs=(Input(name="x", axes=("K",)),),
    outputs=("y",),
    output_shapes=lambda shapes, _options: (shapes["x"],),
    flops=lambda shapes, _options: shapes["x"][0],
    rounding=Sum(lambda _shapes, _options: (1,), magnitudes=("x",)),
    reference=neighbours_reference,
    linear_in=("x",),
)


@implements(NEIGHBOURS)
@stencil
def either_side(x):
    return x[-1] + x[1]
