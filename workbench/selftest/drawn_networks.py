"""Drawn networks: small networks of any layers, as a strategy of hypothesis."""

from __future__ import annotations

import numpy as np

from kernels.declare.op import Shape

CLASSES = 5

_KINDS = ("conv", "conv", "conv", "relu", "relu", "maxpool", "maxpool", "avgpool", "sumpool")
"""Gradients are passed back only to what comes after a layer with parameters: convolutions are drawn most often."""

_OTHERS = ("batchnorm", "dropout 0.25", "dropout 0.5")


def draw_network(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw the spec of a small network of any layers that ends in CLASSES scores, and a size of images from 1 to 12.

    Each is drawn by itself: Hypothesis would repeat most of one network in the next. A third are as networks mostly are:
    their images are wide, their convolutions keep the size, and their pools take pairs of pixels. A third are normalized,
    with batch normalizations and dropouts.
    """
    usual = bool(rng.random() < 1 / 3)
    channels, height, width = size = _integer(rng, 1, 3), _integer(rng, 1, 9), _integer(rng, 8 if usual else 1, 12)
    normalized = bool(rng.random() < 1 / 3)
    layers: list[str] = []
    for _ in range(_integer(rng, 0, 4)):
        kind = "conv" if not layers and rng.random() < 1 / 2 else str(rng.choice(_KINDS))
        if kind == "relu":
            layers.append(kind)
        elif kind == "conv":
            text, (channels, height, width) = _conv(rng, channels, height, width, same=usual or rng.random() < 1 / 3)
            layers.append(text)
            if normalized and rng.random() < 2 / 3:
                layers.append("batchnorm")
                if rng.random() < 1 / 2:
                    more, (height, width) = _whole_pool(rng, height, width)
                    layers += [*["relu"] * _integer(rng, 0, 1), more]
        else:
            text, (height, width) = _pool(rng, height, width, pairs=usual)
            layers.append(f"{kind} {text}")
        if normalized and rng.random() < 1 / 5:
            layers.append(str(rng.choice(_OTHERS)))
    for _ in range(_integer(rng, 0, 2)):
        layers.append(f"dense {_integer(rng, 1, 24)}")
        if normalized and rng.random() < 1 / 2:
            layers.append(str(rng.choice(_OTHERS)))
        if rng.random() < 1 / 2:
            layers.append("relu")
    return " | ".join([*layers, f"dense {CLASSES}"]), size


def _integer(rng: np.random.Generator, least: int, most: int) -> int:
    return int(rng.integers(least, most, endpoint=True))


def _conv(rng: np.random.Generator, channels: int, height: int, width: int, *, same: bool) -> tuple[str, Shape]:
    """Draw a convolution; return its spec and the shape of its outputs."""
    outputs = _integer(rng, 1, 11)
    groups = int(rng.choice([g for g in (1, 2, 3) if channels % g == 0 and outputs % g == 0]))
    axes = [_conv_axis(rng, size) for size in (height, width)]
    kernel, dilation, pad, stride = (
        "x".join(map(str, pair)) for pair in zip(*(axis[:4] for axis in axes), strict=True)
    )
    text = f"conv {outputs} {kernel} groups={groups} dilation={dilation}"
    if same:
        return f"{text} pad=same", (outputs, height, width)
    return f"{text} pad={pad} stride={stride}", (outputs, axes[0][4], axes[1][4])


def _conv_axis(rng: np.random.Generator, size: int) -> tuple[int, int, int, int, int]:
    """Draw kernel, dilation, padding and stride along an axis; return also the number of outputs."""
    kernel, pad, stride = _integer(rng, 1, min(4, size)), _integer(rng, 0, 2), _integer(rng, 1, 3)
    dilation = _integer(rng, 1, 2) if 2 * kernel - 1 <= size + 2 * pad else 1
    return kernel, dilation, pad, stride, (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1


def _pool(rng: np.random.Generator, height: int, width: int, *, pairs: bool) -> tuple[str, Shape]:
    """Draw a pool; return the windows' spec and the size of its outputs. Half have windows side by side, without padding."""
    kernel = tuple(min(2, size) if pairs else _integer(rng, 1, min(4, size)) for size in (height, width))
    stride, pad = kernel, (0, 0)
    if not pairs and rng.random() < 1 / 2:
        stride = _integer(rng, 1, 3), _integer(rng, 1, 3)
        pad = _integer(rng, 0, kernel[0] - 1), _integer(rng, 0, kernel[1] - 1)
    sizes = tuple((s + 2 * p - k) // d + 1 for s, p, k, d in zip((height, width), pad, kernel, stride, strict=True))
    return f"{kernel[0]}x{kernel[1]} stride={stride[0]}x{stride[1]} pad={pad[0]}x{pad[1]}", sizes


def _whole_pool(rng: np.random.Generator, height: int, width: int) -> tuple[str, tuple[int, ...]]:
    """Draw a max pool whose windows have every pixel once, and which can therefore normalize its input."""
    kernel = [int(rng.choice([k for k in (1, 2, 3) if size % k == 0])) for size in (height, width)]
    text = "x".join(map(str, kernel))
    sizes = tuple(size // k for size, k in zip((height, width), kernel, strict=True))
    return f"maxpool {text} stride={text}", sizes
