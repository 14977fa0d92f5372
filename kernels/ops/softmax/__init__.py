"""Declarations of softmax, cross_entropy and their backward passes."""

from typing import Any

from kernels.declare.op import Implementation, Input, Op, Option, Options, Shape, Shapes
from kernels.declare.rounding import Analytic
from kernels.ops.softmax.reference import (
    cross_entropy_backward_reference,
    cross_entropy_reference,
    softmax_backward_reference,
    softmax_reference,
)
from kernels.ops.softmax.rounding import (
    cross_entropy_backward_rounding,
    cross_entropy_rounding,
    softmax_backward_rounding,
    softmax_rounding,
)

_LOGITS = Input(name="logits", axes=("N", "K"))
_LABELS = Input(name="labels", axes=("N",), kind="index", below=("logits", 1))
_SMOOTHING = Option(name="label_smoothing", form="number", default=0.0, low=0, high=1, most=1)


def _same_shape(name: str) -> Any:
    def shapes_of(shapes: Shapes, _options: Options) -> tuple[Shape, ...]:
        return (shapes[name],)

    return shapes_of


def _per_element(name: str, flops: int) -> Any:
    def count(shapes: Shapes, _options: Options) -> int:
        rows, columns = shapes[name]
        return flops * rows * columns

    return count


OPS = (
    Op(
        name="softmax",
        summary="probabilities exp(x) / sum exp(x) along axis 1",
        inputs=(Input(name="x", axes=("N", "K")),),
        outputs=("y",),
        output_shapes=_same_shape("x"),
        flops=_per_element("x", 5),
        rounding=Analytic(softmax_rounding),
        reference=softmax_reference,
        backward="softmax_backward",
    ),
    Op(
        name="softmax_backward",
        summary="gradient of softmax with respect to x, from its output y",
        inputs=(Input(name="dy", axes=("N", "K")), Input(name="y", axes=("N", "K"), finite=True)),
        outputs=("dx",),
        output_shapes=_same_shape("y"),
        flops=_per_element("y", 4),
        rounding=Analytic(softmax_backward_rounding),
        reference=softmax_backward_reference,
        linear_in=("dy",),
    ),
    Op(
        name="cross_entropy",
        summary="mean over the batch of -log softmax(logits)[label]; label_smoothing mixes in all classes",
        inputs=(_LOGITS, _LABELS),
        options=(_SMOOTHING,),
        outputs=("loss",),
        output_shapes=lambda _shapes, _options: ((),),
        flops=_per_element("logits", 4),
        rounding=Analytic(cross_entropy_rounding, takes_options=True),
        reference=cross_entropy_reference,
        backward="cross_entropy_backward",
    ),
    Op(
        name="cross_entropy_backward",
        summary="gradient of cross_entropy with respect to the logits",
        inputs=(_LOGITS, _LABELS),
        options=(_SMOOTHING,),
        outputs=("dlogits",),
        output_shapes=_same_shape("logits"),
        flops=_per_element("logits", 6),
        rounding=Analytic(cross_entropy_backward_rounding, takes_options=True),
        reference=cross_entropy_backward_reference,
    ),
)

IMPLEMENTATIONS = tuple(
    Implementation(op=op.name, device=device, algorithm="rows", target=f"{__name__}.{device}:{op.name}_{device}")
    for op in OPS
    for device in ("cpu", "cuda")
)
