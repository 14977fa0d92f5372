"""Declares softmax, cross_entropy and their backward passes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.op import Implementation, Input, Op, Options, Shape, Shapes
from kernels.ops.softmax.reference import (
    cross_entropy_backward_reference,
    cross_entropy_reference,
    softmax_backward_reference,
    softmax_reference,
)
from kernels.rounding import Analytic, Arrays, cross_entropy_bound, gamma, softmax_bound

_LOGITS = Input(name="logits", axes=("N", "K"))
_LABELS = Input(name="labels", axes=("N",), kind="index", below=("logits", 1))

Bounds = tuple[NDArray[Any], ...]


def _same_shape(name: str) -> Any:
    def shapes_of(shapes: Shapes, _options: Options) -> tuple[Shape, ...]:
        return (shapes[name],)

    return shapes_of


def _scalar_shape(_shapes: Shapes, _options: Options) -> tuple[Shape, ...]:
    return ((),)


def _per_element(name: str, flops: int) -> Any:
    def count(shapes: Shapes, _options: Options) -> int:
        rows, columns = shapes[name]
        return flops * rows * columns

    return count


def _softmax_rounding(inputs: Arrays, expected: Bounds, unit: float) -> Bounds:
    return (softmax_bound(inputs["x"], expected[0], unit),)


def _softmax_backward_rounding(inputs: Arrays, _expected: Bounds, unit: float) -> Bounds:
    dy, y = inputs["dy"], inputs["y"]
    size = np.abs(y) * (np.abs(dy) + np.sum(np.abs(dy * y), axis=1, keepdims=True))
    return (gamma(y.shape[1] + 2, unit) * size,)  # a product, K - 1 additions, a subtraction, a product


def _cross_entropy_rounding(inputs: Arrays, _expected: Bounds, unit: float) -> Bounds:
    return (cross_entropy_bound(inputs["logits"], inputs["labels"], unit),)


def _cross_entropy_backward_rounding(inputs: Arrays, expected: Bounds, unit: float) -> Bounds:
    logits, labels = inputs["logits"], inputs["labels"]
    samples = max(logits.shape[0], 1)
    probability = expected[0] * samples
    probability[np.arange(logits.shape[0]), labels] += 1
    spread = softmax_bound(logits, probability, unit) / samples
    return (spread + gamma(4, unit) * np.abs(expected[0]),)


OPS = (
    Op(
        name="softmax",
        summary="probabilities exp(x) / sum exp(x) along axis 1",
        inputs=(Input(name="x", axes=("N", "K")),),
        outputs=("y",),
        output_shapes=_same_shape("x"),
        flops=_per_element("x", 5),
        rounding=Analytic(_softmax_rounding),
        reference=softmax_reference,
        backward="softmax_backward",
    ),
    Op(
        name="softmax_backward",
        summary="gradient of softmax with respect to x, from its output y",
        inputs=(Input(name="dy", axes=("N", "K")), Input(name="y", axes=("N", "K"))),
        outputs=("dx",),
        output_shapes=_same_shape("y"),
        flops=_per_element("y", 4),
        rounding=Analytic(_softmax_backward_rounding),
        reference=softmax_backward_reference,
        linear_in=("dy",),
    ),
    Op(
        name="cross_entropy",
        summary="mean over the batch of -log softmax(logits)[label]",
        inputs=(_LOGITS, _LABELS),
        outputs=("loss",),
        output_shapes=_scalar_shape,
        flops=_per_element("logits", 4),
        rounding=Analytic(_cross_entropy_rounding),
        reference=cross_entropy_reference,
        backward="cross_entropy_backward",
    ),
    Op(
        name="cross_entropy_backward",
        summary="gradient of cross_entropy with respect to the logits",
        inputs=(_LOGITS, _LABELS),
        outputs=("dlogits",),
        output_shapes=_same_shape("logits"),
        flops=_per_element("logits", 6),
        rounding=Analytic(_cross_entropy_backward_rounding),
        reference=cross_entropy_backward_reference,
    ),
)

IMPLEMENTATIONS = tuple(
    Implementation(op=op.name, device=device, algorithm="rows", target=f"{__name__}.{device}:{op.name}_{device}")
    for op in OPS
    for device in ("cpu", "cuda")
)
