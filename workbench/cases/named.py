"""Named real cases per operation."""

import dataclasses
import re
from typing import Any

from kernels import OPS
from kernels.declare.op import Shape
from workbench.cases.timed_case import BenchCase, backward_of, bench_case, check_size
from workbench.system.errors import InputError

LENET_BATCH = 64
LENET_BATCHES = (1, 16, 256)
"""Additional batch sizes at which LeNet's layers are timed."""

NETWORK = "network"
"""The name in place of the operation in the rows of a whole network."""

NETWORK_CASES = ("lenet-train", "lenet-infer")


def named_cases(op: str) -> tuple[BenchCase, ...]:
    """Return the named cases of an operation."""
    return tuple(case for case in _CASES if case.op == op)


def is_batched(name: str) -> bool:
    """Return whether a case is another case with a different batch size."""
    return batch_of(name)[1] > 0


def batch_of(name: str | None) -> tuple[str, int]:
    """Split the name of a case with another batch size, such as lenet-c3-b16; the size is 0 for other names."""
    match = re.fullmatch("(.*)-b([1-9][0-9]{0,8})", name or "")
    return (match[1], int(match[2])) if match else (name or "", 0)


def case_names() -> tuple[str, ...]:
    """Return every name once, in order."""
    return (*dict.fromkeys(case.name for case in _CASES), *NETWORK_CASES)


def with_batch(case: BenchCase, batch: int) -> BenchCase:
    """Return the case with another number of samples, which is added to its name.

    Raises
    ------
    InputError
        The operation has no batch axis, or the arrays would not fit into memory.
    """
    op = OPS[case.op]
    shapes = {}
    for item in op.inputs:
        shape = case.shapes[item.name]
        axes = item.axes if item.axes is not None else ("N",) if len(shape) > 1 else ()
        has_batch = bool(axes) and axes[0] == "N"
        shapes[item.name] = (batch, *shape[1:]) if has_batch else shape
    if shapes == case.shapes and not any(item.axes is None or item.axes[0] == "N" for item in op.inputs):
        raise InputError(f"--batch: {case.op} has no batch axis; leave --batch out")
    batched = dataclasses.replace(case, name=f"{case.name}-b{batch}", shapes=shapes)
    check_size(batched, f"--batch {batch}")
    return batched


def _both(name: str, op: str, shapes: dict[str, Shape], **options: Any) -> list[BenchCase]:
    """Return the cases of an operation and of its backward pass."""
    case = bench_case(name, OPS[op], shapes, options)
    backward = backward_of(case)
    return [case] if backward is None else [case, backward]


def _conv(name: str, x: Shape, w: Shape, **options: Any) -> list[BenchCase]:
    return _both(name, "conv2d", {"x": x, "w": w, "b": w[:1]}, **options)


def _relu(name: str, x: Shape) -> list[BenchCase]:
    return _both(name, "relu", {"x": x})


def _pools(name: str, x: Shape, kernel_size: int, **options: Any) -> list[BenchCase]:
    kinds = ("max", "avg", "sum")
    return [
        case for kind in kinds for case in _both(name, f"{kind}_pool2d", {"x": x}, kernel_size=kernel_size, **options)
    ]


def _dense(name: str, batch: int, features: int, outputs: int) -> list[BenchCase]:
    return _both(name, "dense", {"x": (batch, features), "w": (outputs, features), "b": (outputs,)})


def _normalization(name: str, x: Shape) -> list[BenchCase]:
    channels = x[1:2]
    parameters = {"w": channels, "b": channels}
    given = {"x": x, **parameters, "mean": channels, "var": channels}
    return [
        *_both(name, "batch_norm", {"x": x, **parameters}),
        bench_case(name, OPS["batch_norm_inference"], given, {}),
    ]


def _dropout(name: str, x: Shape) -> list[BenchCase]:
    return _both(name, "dropout", {"x": x}, p=0.5, seed=0)


def _loss(name: str, batch: int, classes: int) -> list[BenchCase]:
    return [
        *_both(name, "softmax", {"x": (batch, classes)}),
        *_both(name, "cross_entropy", {"logits": (batch, classes), "labels": (batch,)}),
    ]


def _lenet(n: int) -> list[BenchCase]:
    return [
        *_conv("lenet-c1", (n, 1, 28, 28), (6, 1, 5, 5), padding=2),
        *_conv("lenet-c3", (n, 6, 14, 14), (16, 6, 5, 5)),
        *_relu("lenet-r1", (n, 6, 28, 28)),
        *_pools("lenet-s2", (n, 6, 28, 28), 2),
        *_pools("lenet-s4", (n, 16, 10, 10), 2),
        *_dense("lenet-f5", n, 400, 120),
        *_dense("lenet-f6", n, 120, 84),
        *_dense("lenet-f7", n, 84, 10),
        *_loss("lenet-out", n, 10),
    ]


_CASES = (
    *_lenet(LENET_BATCH),
    *(with_batch(case, n) for n in LENET_BATCHES for case in _lenet(LENET_BATCH)),
    # ResNet-50 (K. He et al., 2016, table 1), a batch of one
    *_conv("resnet-stem-7x7", (1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3),
    *_conv("resnet-3x3", (1, 64, 56, 56), (64, 64, 3, 3), padding=1),
    *_conv("resnet-3x3-stride2", (1, 128, 56, 56), (128, 128, 3, 3), stride=2, padding=1),
    *_conv("resnet-3x3-28", (1, 128, 28, 28), (128, 128, 3, 3), padding=1),
    *_conv("resnet-3x3-14", (1, 256, 14, 14), (256, 256, 3, 3), padding=1),
    *_conv("resnet-3x3-7", (1, 512, 7, 7), (512, 512, 3, 3), padding=1),
    *_conv("resnet-1x1", (1, 256, 56, 56), (64, 256, 1, 1)),
    *_conv("resnet-1x1-up", (1, 64, 56, 56), (256, 64, 1, 1)),
    *_conv("resnet-1x1-stride2", (1, 256, 56, 56), (512, 256, 1, 1), stride=2),
    *_conv("resnet-1x1-14", (1, 1024, 14, 14), (256, 1024, 1, 1)),
    *_conv("resnet-1x1-7", (1, 512, 7, 7), (2048, 512, 1, 1)),
    # VGG-16 (K. Simonyan, A. Zisserman, 2015, table 1, D)
    *_conv("vgg-conv1-1", (1, 3, 224, 224), (64, 3, 3, 3), padding=1),
    *_conv("vgg-conv3-1", (1, 128, 56, 56), (256, 128, 3, 3), padding=1),
    *_conv("vgg-conv4-1", (1, 256, 28, 28), (512, 256, 3, 3), padding=1),
    *_conv("vgg-conv5-1", (1, 512, 14, 14), (512, 512, 3, 3), padding=1),
    # MobileNet, ResNeXt, DeepLab, and a small image through a large filter
    *_conv("depthwise-3x3", (1, 96, 56, 56), (96, 1, 3, 3), padding=1, groups=96),
    *_conv("depthwise-3x3-stride2", (1, 96, 112, 112), (96, 1, 3, 3), stride=2, padding=1, groups=96),
    *_conv("depthwise-5x5", (1, 240, 28, 28), (240, 1, 5, 5), padding=2, groups=240),
    *_conv("grouped-3x3", (1, 128, 56, 56), (128, 4, 3, 3), padding=1, groups=32),
    *_conv("dilated-3x3", (1, 256, 28, 28), (256, 256, 3, 3), padding=2, dilation=2),
    *_conv("cifar-5x5", (32, 32, 16, 16), (32, 32, 5, 5), padding=2),
    *_conv("filter-7x7", (1, 1, 512, 512), (1, 1, 7, 7), padding=3),
    # from sizes that fit the L1 cache to sizes that need main memory
    *_relu("relu-4k", (1, 4, 32, 32)),
    *_relu("relu-128k", (1, 32, 64, 64)),
    *_relu("relu-1m", (4, 64, 64, 64)),
    *_relu("relu-16m", (16, 64, 128, 128)),
    *_pools("pool-2x2-32k", (1, 32, 32, 32), 2),
    *_pools("pool-3x3-stride2", (1, 64, 112, 112), 3, stride=2, padding=1),
    *_pools("pool-2x2-16m", (16, 64, 128, 128), 2),
    *_dense("dense-256", 64, 256, 256),
    *_dense("dense-1024", 64, 1024, 1024),
    *_dense("dense-vector-1024", 1, 1024, 1024),
    *_dense("dense-4096", 64, 4096, 4096),
    *_loss("imagenet-out", 256, 1000),
    *_normalization("norm-lenet-c1", (64, 6, 28, 28)),
    *_normalization("norm-lenet-f5", (64, 120, 1, 1)),
    *_normalization("norm-resnet-56", (16, 64, 56, 56)),
    *_dropout("dropout-lenet-f5", (64, 120)),
    *_dropout("dropout-1m", (64, 16384)),
)
