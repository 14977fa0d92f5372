"""An operation of your own: leaky ReLU and its gradient, each with a reference and a kernel.

$ workbench check own_operation.py --examples 50
"""

from math import prod

from numba import njit

from kernels.op import Input, Op, Option
from kernels.rounding import Sum
from workbench import implements

SLOPE = Option(name="slope", form="number", default=0.01, low=0, high=1)


def leaky_relu_reference(x, slope, y):
    """Compute y = x where x > 0, else slope * x."""
    for i in range(x.size):
        y.flat[i] = slope * x.flat[i] if x.flat[i] <= 0 else x.flat[i]


def leaky_relu_backward_reference(dy, x, slope, dx):
    """Compute dx = dy where x > 0, else slope * dy."""
    for i in range(x.size):
        dx.flat[i] = slope * dy.flat[i] if x.flat[i] <= 0 else dy.flat[i]


def output_shapes(shapes, options):
    return (shapes["x"],)


def flops(shapes, options):
    return 2 * prod(shapes["x"])


def roundings(shapes, options):
    """One multiplication, and the conversion of slope to the arrays' dtype."""
    return (2,)


BACKWARD = Op(
    name="leaky_relu_backward",
    summary="gradient of leaky_relu with respect to x",
    inputs=(Input(name="dy"), Input(name="x")),
    options=(SLOPE,),
    outputs=("dx",),
    output_shapes=output_shapes,
    flops=flops,
    rounding=Sum(roundings, magnitudes=("dy",)),
    reference=leaky_relu_backward_reference,
    linear_in=("dy",),
)

FORWARD = Op(
    name="leaky_relu",
    summary="x where x > 0, else slope * x",
    inputs=(Input(name="x"),),
    options=(SLOPE,),
    outputs=("y",),
    output_shapes=output_shapes,
    flops=flops,
    rounding=Sum(roundings, magnitudes=("x",)),
    reference=leaky_relu_reference,
    backward="leaky_relu_backward",
)


@implements(BACKWARD)
@njit
def leaky_relu_backward(dy, x, slope, dx):
    factor = dx.dtype.type(slope)
    for i in range(x.size):
        dx.flat[i] = factor * dy.flat[i] if x.flat[i] <= 0 else dy.flat[i]


@implements(FORWARD)
@njit
def leaky_relu(x, slope, y):
    factor = y.dtype.type(slope)
    for i in range(x.size):
        y.flat[i] = factor * x.flat[i] if x.flat[i] <= 0 else x.flat[i]
