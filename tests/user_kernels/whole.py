"""Operations whose outputs are integers: counts, positions and bytes; for each a right kernel and wrong ones."""

from math import prod

from numba import cuda, njit

from kernels import Op
from kernels.op import Input
from kernels.rounding import Exact
from workbench import implements


def histogram_reference(x, y):
    """Compute y[v] = how many elements of x (N,) are v."""
    y[...] = 0
    for i in range(x.size):
        y[x[i]] += 1


def argmax_reference(x, y):
    """Compute y[n] = the position of the largest element of row n, the first of them; NaN is never larger."""
    for n in range(x.shape[0]):
        best = 0
        for k in range(1, x.shape[1]):
            if x[n, k] > x[n, best]:
                best = k
        y[n] = best


def negative_reference(x, y):
    """Compute y = 255 - x of bytes."""
    source, target = x.reshape(x.size), y.reshape(y.size)
    for i in range(source.size):
        target[i] = 255 - source[i]


HISTOGRAM = Op(
    name="histogram",
    summary="how often each byte occurs",
    inputs=(Input(name="x", axes=("N",), dtype="uint8"),),
    outputs=("y",),
    output_dtypes={"y": "int64"},
    output_shapes=lambda _shapes, _options: ((256,),),
    flops=lambda shapes, _options: prod(shapes["x"]),
    rounding=Exact(),
    reference=histogram_reference,
)
ARGMAX = Op(
    name="argmax",
    summary="the position of the largest element of a row",
    inputs=(Input(name="x", axes=("N", "K")),),
    outputs=("y",),
    output_dtypes={"y": "int32"},
    output_shapes=lambda shapes, _options: (shapes["x"][:1],),
    flops=lambda shapes, _options: prod(shapes["x"]),
    rounding=Exact(),
    reference=argmax_reference,
    defines_nan=True,
)
NEGATIVE = Op(
    name="negative",
    summary="255 - x",
    inputs=(Input(name="x", axes=("N", "P"), dtype="uint8"),),
    outputs=("y",),
    output_dtypes={"y": "uint8"},
    output_shapes=lambda shapes, _options: (shapes["x"],),
    flops=lambda shapes, _options: prod(shapes["x"]),
    rounding=Exact(),
    reference=negative_reference,
)


@implements(HISTOGRAM)
@njit
def counts(x, y):
    y[:] = 0
    for i in range(x.size):
        y[x[i]] += 1


@implements(HISTOGRAM)
@njit
def adds_to_former(x, y):
    for i in range(x.size):
        y[x[i]] += 1


@cuda.jit
def set_zero(y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = 0


@cuda.jit
def count(x, y):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(y, x[i], 1)


@cuda.jit
def count_racing(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[x[i]] += 1


@implements(HISTOGRAM)
def counts_cuda(x, y):
    set_zero[2, 128](y)
    if x.size:
        count[-(-x.size // 128), 128](x, y)


@implements(HISTOGRAM)
def races_cuda(x, y):
    set_zero[2, 128](y)
    if x.size:
        count_racing[-(-x.size // 128), 128](x, y)


@implements(ARGMAX)
@njit
def first_of_largest(x, y):
    for n in range(x.shape[0]):
        best = 0
        for k in range(x.shape[1]):
            best = k if x[n, k] > x[n, best] else best
        y[n] = best


@implements(ARGMAX)
@njit
def last_of_largest(x, y):
    for n in range(x.shape[0]):
        best = 0
        for k in range(x.shape[1]):
            best = k if x[n, k] >= x[n, best] else best
        y[n] = best


@implements(ARGMAX, grid=lambda y: -(-y.size // 32), block=32)
@cuda.jit
def first_cuda(x, y):
    n = cuda.grid(1)
    if n < y.size:
        best = 0
        for k in range(x.shape[1]):
            if x[n, k] > x[n, best]:
                best = k
        y[n] = best


@implements(ARGMAX, grid=lambda y: -(-y.size // 32), block=32)
@cuda.jit
def last_cuda(x, y):
    n = cuda.grid(1)
    if n < y.size:
        best = 0
        for k in range(x.shape[1]):
            if x[n, k] >= x[n, best]:
                best = k
        y[n] = best


@implements(NEGATIVE)
@njit
def negates(x, y):
    source, target = x.copy().reshape(x.size), y.reshape(y.size)
    for i in range(source.size):
        target[i] = 255 - source[i]


@implements(NEGATIVE)
@njit
def stops_short(x, y):
    source, target = x.copy().reshape(x.size), y.reshape(y.size)
    for i in range(source.size - 1):
        target[i] = 255 - source[i]


@implements(NEGATIVE)
def widens(x):
    return 255.0 - x
