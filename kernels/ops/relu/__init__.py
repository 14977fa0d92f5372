"""Declarations of relu and its backward pass."""

from math import prod

from kernels.declare.op import Implementation, Input, Op, Options, Shape, Shapes
from kernels.declare.rounding import Exact
from kernels.declare.shapes import expect_shape
from kernels.ops.relu.reference import relu_backward_reference, relu_backward_stopped, relu_reference


def _backward_shapes(shapes: Shapes, _options: Options) -> tuple[Shape, ...]:
    expect_shape("relu_backward", "dy", shapes["dy"], shapes["x"], "the shape of x")
    return (shapes["x"],)


def _flops(shapes: Shapes, _options: Options) -> int:
    return prod(shapes["x"])


OPS = (
    Op(
        name="relu",
        summary="max(x, 0) of every element",
        inputs=(Input(name="x"),),
        outputs=("y",),
        output_shapes=lambda shapes, _: (shapes["x"],),
        flops=_flops,
        rounding=Exact(),
        reference=relu_reference,
        defines_nan=True,
        backward="relu_backward",
    ),
    Op(
        name="relu_backward",
        summary="gradient of relu with respect to x",
        inputs=(Input(name="dy"), Input(name="x")),
        outputs=("dx",),
        output_shapes=_backward_shapes,
        flops=_flops,
        rounding=Exact(),
        reference=relu_backward_reference,
        defines_nan=True,
        alternatives=(relu_backward_stopped,),
        linear_in=("dy",),
    ),
)

IMPLEMENTATIONS = tuple(
    Implementation(op=op.name, device=device, algorithm="elementwise", target=f"{__name__}.{device}:{op.name}_{device}")
    for op in OPS
    for device in ("cpu", "cuda")
)
