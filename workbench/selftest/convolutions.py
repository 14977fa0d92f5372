"""Small convolutions that combine several conditions, in addition to the cases that a check draws.

A check stresses one size at a time, and many of its cases differ from the previous one by a single number. It rarely draws
a pointwise filter with a stride, several bands along both axes, several rounds of planes, or more pixels than a block has
threads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from kernels import OPS
from kernels.declare.op import Shape
from kernels.declare.shapes import window_extent
from workbench.sampling import FAMILIES, Case

PRODUCTS = 6000
"""The most products in one convolution; plain Python computes them in some milliseconds."""

TRIES = 40
"""The most draws until one is accepted."""

Accepts = Callable[[dict[str, Shape], dict[str, Any], str], bool]


LARGE = (2, 3), (1, 2), (1, 3), (14, 24), (14, 24)
"""The ranges of the batch, of the channels and outputs of a group, and of the rows and columns of a large image."""

EACH = 4
"""On a device one draw in so many has a large image."""


def varied(case: Case, number: int, accepts: Accepts, *, on_device: bool = False) -> Case:
    """Return a replacement for a case of a convolution; the case itself if it is none, or no draw is accepted.

    Parameters
    ----------
    case : the case; its dtype and layout are kept
    number : the number of the case; equal numbers give equal draws
    accepts : the kernel's rule for shapes and options
    on_device : whether blocks of threads, of which the sizes are not made small, share the work
    """
    if not {"x", "w"} <= set(case.shapes) or OPS[case.op].window is None:
        return case
    rng = np.random.default_rng([case.seed, number])
    for _ in range(TRIES):
        shapes, options = _drawn(rng, large=on_device and number // 4 % EACH == 0)
        known = shapes | {"dy": OPS["conv2d"].output_shapes(shapes, options)[0]}
        shapes = {name: known[name] for name in case.shapes}
        if accepts(shapes, options, case.dtype):
            family, seed = str(rng.choice(list(FAMILIES))), int(rng.integers(2**32))
            return dataclasses.replace(case, shapes=shapes, options=options, family=family, seed=seed)
    return case


def _drawn(rng: np.random.Generator, *, large: bool) -> tuple[dict[str, Shape], dict[str, Any]]:
    """Draw shapes and options: first the output, then the image that gives it."""

    def one_of(*ranges: tuple[int, int]) -> int:
        low, high = ranges[rng.integers(len(ranges))]
        return int(rng.integers(low, high + 1))

    pointwise, own = rng.random() < 0.3, rng.random() < 0.2
    kernel = (1, 1) if pointwise else (one_of((1, 4), (1, 7)), one_of((1, 4), (1, 7)))
    stride, dilation = (one_of((1, 3)), one_of((1, 3))), (one_of((1, 1), (1, 3)), one_of((1, 1), (1, 3)))
    groups = one_of((1, 1), (2, 3))
    channels, outputs = (1, 1) if own else (one_of((1, 3), (1, 9), (8, 24)), one_of((1, 3), (1, 12), (1, 36)))
    sizes = [one_of((1, 3), (3, 8)), channels, outputs, one_of((1, 4), (1, 12)), one_of((1, 6), (1, 40))]
    if large:
        sizes = [one_of(each) for each in LARGE]
    while not large and prod(sizes) * groups * prod(kernel) > PRODUCTS:
        each = rng.integers(len(sizes))
        sizes[each] = (sizes[each] + 1) // 2
    batch, channels, outputs, *windows = sizes
    image, padding = [], []
    for axis in range(2):
        whole = (windows[axis] - 1) * stride[axis] + window_extent(kernel[axis], dilation[axis])
        whole += one_of((0, stride[axis] - 1))
        before = 0 if pointwise else min(one_of((0, 0), (0, 3), (0, 9)), whole - 1)
        after = 0 if pointwise else min(one_of((0, 0), (0, 3), (0, 9)), whole - 1 - before)
        padding.append((before, after))
        image.append(whole - before - after)
    shapes: dict[str, Shape] = {
        "x": (batch, groups * channels, *image),
        "w": (groups * outputs, channels, *kernel),
        "b": (groups * outputs,),
    }
    options = {"stride": stride, "padding": (padding[0], padding[1]), "dilation": dilation, "groups": groups}
    return shapes, options
