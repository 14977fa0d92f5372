"""Declarations of batch_norm, in training and in inference, and of its backward pass."""

from math import prod

from kernels.declare.op import Implementation, Input, Op, Option, Options, Shape, Shapes
from kernels.declare.rounding import Analytic
from kernels.ops.batch_norm.reference import (
    batch_norm_backward_reference,
    batch_norm_inference_reference,
    batch_norm_inference_shifted,
    batch_norm_reference,
    batch_norm_shifted,
    batch_norm_updated,
)
from kernels.ops.batch_norm.rounding import (
    batch_norm_backward_rounding,
    batch_norm_inference_rounding,
    batch_norm_rounding,
)

_X, _DY = (Input(name=name, axes=("N", "C", "H", "W")) for name in ("x", "dy"))
_W, _B = (Input(name=name, axes=("C",)) for name in ("w", "b"))
_MEAN = Input(name="mean", axes=("C",), finite=True)
_VAR = Input(name="var", axes=("C",), low=0)
_EPSILON = (Option(name="epsilon", form="number", default=1e-5, low=1e-12, high=0.1),)


def _all_shapes(shapes: Shapes, _options: Options) -> tuple[Shape, ...]:
    return shapes["x"], shapes["w"], shapes["w"]


OPS = (
    Op(
        name="batch_norm",
        summary="every channel brought to mean 0 and variance 1 over the batch, then scaled and shifted",
        inputs=(_X, _W, _B),
        options=_EPSILON,
        outputs=("y", "mean", "var"),
        output_shapes=_all_shapes,
        flops=lambda shapes, _: 7 * prod(shapes["x"]),
        rounding=Analytic(batch_norm_rounding, takes_options=True),
        reference=batch_norm_reference,
        alternatives=(batch_norm_shifted, batch_norm_updated),
        backward="batch_norm_backward",
    ),
    Op(
        name="batch_norm_inference",
        summary="batch normalization with a mean and a variance that are given",
        inputs=(_X, _W, _B, _MEAN, _VAR),
        options=_EPSILON,
        outputs=("y",),
        output_shapes=lambda shapes, _: (shapes["x"],),
        flops=lambda shapes, _: 3 * prod(shapes["x"]),
        rounding=Analytic(batch_norm_inference_rounding, takes_options=True),
        reference=batch_norm_inference_reference,
        alternatives=(batch_norm_inference_shifted,),
    ),
    Op(
        name="batch_norm_backward",
        summary="gradients of batch_norm with respect to x, w and b, from its outputs mean and var",
        inputs=(_DY, _X, _W, _MEAN, _VAR),
        options=_EPSILON,
        outputs=("dx", "dw", "db"),
        output_shapes=_all_shapes,
        flops=lambda shapes, _: 9 * prod(shapes["x"]),
        rounding=Analytic(batch_norm_backward_rounding, takes_options=True),
        reference=batch_norm_backward_reference,
        linear_in=("dy",),
    ),
)


def _is_dense(shapes: Shapes, _options: Options, _dtype: str) -> bool:
    return shapes["x"][2:] == (1, 1)


IMPLEMENTATIONS = tuple(
    implementation
    for op in OPS
    for implementation in (
        Implementation(
            op=op.name,
            device="cpu",
            algorithm="columns",
            target=f"{__name__}.cpu.columns:{op.name}_columns_cpu",
            accepts=_is_dense,
            when="images of one pixel",
        ),
        Implementation(op=op.name, device="cpu", algorithm="planes", target=f"{__name__}.cpu.planes:{op.name}_cpu"),
        Implementation(op=op.name, device="cuda", algorithm="blocks", target=f"{__name__}.cuda:{op.name}_cuda"),
    )
)
