"""Named real cases per operation, for benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kernels import OPS
from kernels.op import Shape
from kernels.shapes import normal_options

LENET_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class NamedCase:
    """A case worth timing: an operation, the shapes of its inputs, its options in normal form."""

    name: str
    op: str
    shapes: dict[str, Shape]
    options: dict[str, Any]


def named_cases(op: str) -> tuple[NamedCase, ...]:
    """Give the named cases of an operation."""
    return tuple(case for case in _CASES if case.op == op)


def case_names() -> tuple[str, ...]:
    """Give every name once, in order."""
    return tuple(dict.fromkeys(case.name for case in _CASES))


def _with_backward(name: str, op: str, shapes: dict[str, Shape], **options: Any) -> list[NamedCase]:
    """Give the case of an operation and of its backward pass, which goes by the same name."""
    forward = OPS[op]
    normal = normal_options(forward, options, shapes)
    output = forward.output_shapes(shapes, normal)[0]
    backward = OPS[str(forward.backward)]
    known = {"dy": output, "y": output, **shapes}
    return [
        NamedCase(name=name, op=op, shapes=shapes, options=normal),
        NamedCase(
            name=name,
            op=backward.name,
            shapes={item.name: known[item.name] for item in backward.inputs},
            options=normal,
        ),
    ]


def _conv(name: str, x: Shape, w: Shape, **options: Any) -> list[NamedCase]:
    return _with_backward(name, "conv2d", {"x": x, "w": w, "b": w[:1]}, **options)


def _pools(name: str, x: Shape, kernel_size: int) -> list[NamedCase]:
    return [
        case
        for kind in ("max", "avg", "sum")
        for case in _with_backward(name, f"{kind}_pool2d", {"x": x}, kernel_size=kernel_size)
    ]


def _dense(name: str, batch: int, features: int, outputs: int) -> list[NamedCase]:
    return _with_backward(name, "dense", {"x": (batch, features), "w": (outputs, features), "b": (outputs,)})


def _loss(name: str, batch: int, classes: int) -> list[NamedCase]:
    return [
        *_with_backward(name, "softmax", {"x": (batch, classes)}),
        *_with_backward(name, "cross_entropy", {"logits": (batch, classes), "labels": (batch,)}),
    ]


_N = LENET_BATCH
_CASES = (
    *_conv("lenet-c1", (_N, 1, 28, 28), (6, 1, 5, 5), padding=2),
    *_conv("lenet-c3", (_N, 6, 14, 14), (16, 6, 5, 5)),
    *_conv("resnet-3x3", (1, 64, 56, 56), (64, 64, 3, 3), padding=1),
    *_conv("resnet-1x1", (1, 256, 56, 56), (64, 256, 1, 1)),
    *_conv("depthwise-3x3", (1, 96, 56, 56), (96, 1, 3, 3), padding=1, groups=96),
    *_with_backward("lenet-r1", "relu", {"x": (_N, 6, 28, 28)}),
    *_with_backward("relu-16m", "relu", {"x": (16, 64, 128, 128)}),
    *_pools("lenet-s2", (_N, 6, 28, 28), 2),
    *_pools("lenet-s4", (_N, 16, 10, 10), 2),
    *_dense("lenet-f5", _N, 400, 120),
    *_dense("lenet-f6", _N, 120, 84),
    *_dense("dense-1024", 64, 1024, 1024),
    *_loss("lenet-out", _N, 10),
    *_loss("imagenet-out", 256, 1000),
)
