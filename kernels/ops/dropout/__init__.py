"""Declarations of dropout and its backward pass."""

from collections.abc import Callable
from math import ceil, prod

from kernels.declare.op import REQUIRED, Implementation, Input, Op, Option, Options, Shape, Shapes
from kernels.declare.rounding import Sum
from kernels.ops.dropout.reference import dropout_backward_reference, dropout_multiplied, dropout_reference

_OPTIONS = (
    Option(name="p", form="number", default=REQUIRED, low=0, high=0.9, most=1 - 2.0**-53),
    Option(name="seed", form="count", default=REQUIRED, low=0, high=2**62, most=2**63 - 1),
)


def _roundings(_shapes: Shapes, options: Options) -> tuple[int, ...]:
    """Count 1/(1-p), its conversion and the product; p may be rounded, which changes 1-p by up to u*p."""
    p = options["p"]
    return (4 + ceil(p / (1 - p)),)


def _shape_of(name: str) -> Callable[[Shapes, Options], tuple[Shape, ...]]:
    return lambda shapes, _: (shapes[name],)


OPS = (
    Op(
        name="dropout",
        summary="x / (1 - p) of elements kept at random, 0 for the others",
        inputs=(Input(name="x"),),
        options=_OPTIONS,
        outputs=("y",),
        output_shapes=_shape_of("x"),
        flops=lambda shapes, _: prod(shapes["x"]),
        rounding=Sum(_roundings, magnitudes=("x",)),
        reference=dropout_reference,
        alternatives=(dropout_multiplied,),
        backward="dropout_backward",
        linear_in=("x",),
    ),
    Op(
        name="dropout_backward",
        summary="gradient of dropout with respect to x",
        inputs=(Input(name="dy"),),
        options=_OPTIONS,
        outputs=("dx",),
        output_shapes=_shape_of("dy"),
        flops=lambda shapes, _: prod(shapes["dy"]),
        rounding=Sum(_roundings, magnitudes=("dy",)),
        reference=dropout_backward_reference,
        alternatives=(dropout_multiplied,),
        linear_in=("dy",),
    ),
)

IMPLEMENTATIONS = tuple(
    Implementation(op=op.name, device=device, algorithm="elementwise", target=f"{__name__}.{device}:{op.name}_{device}")
    for op in OPS
    for device in ("cpu", "cuda")
)
