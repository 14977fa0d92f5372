"""Cases of pools and matrices that combine several conditions, in addition to the cases that a check draws.

A check stresses one size at a time. It rarely draws a pool whose last window ends at the border of the image and fills a
register, or whose windows tile the image, and never a matrix with several blocks along every axis, or a probability of
dropping that an element's random word is equal to.
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
from kernels.ops.dropout.reference import word_of
from workbench.sampling import Case

LANES = 4
"""The number of windows in a row is a multiple of it; registers are small, see ``planting``."""

LONGEST = 40
"""The longest axis of a matrix."""

IMAGE = 5
"""The longest side of an image that no window slides over."""

Accepts = Callable[[dict[str, Shape], dict[str, Any], str], bool]


def arranged(case: Case, number: int, accepts: Accepts) -> Case:
    """Return a replacement for a case of a pool or of matrices; the case itself if it is neither, or not accepted.

    Parameters
    ----------
    case : the case; its values are drawn as before
    number : the number of the case; the ways to change a pool alternate
    accepts : the kernel's rule for shapes and options
    """
    other = case
    if "kernel_size" in case.options:
        other = (_hollow if number % 8 == 7 else _tiled if number % 2 else _ending_with_its_windows)(case)
    elif OPS[case.op].window is None:
        other = _long(case)
    return other if accepts(other.shapes, other.options, other.dtype) else case


def on_the_limit(case: Case) -> Case:
    """Return a case of dropout whose probability keeps one element by a hair; any other case is returned unchanged."""
    if "p" not in case.options:
        return case
    size = prod(next(iter(case.shapes.values()))[1:])
    words = (word_of(case.options["seed"], 0, e) for e in range(size))
    p = next((word / 2**32 for word in words if word < 2**31), case.options["p"])
    return dataclasses.replace(case, options=case.options | {"p": p})


def _ending_with_its_windows(case: Case) -> Case:
    """Round the number of windows without padding in a row up to whole registers; end the image with the last window."""
    options, windows = case.options, _windows(case)
    dilation = (1, 1) if case.seed % 2 else options["dilation"]
    image, padding = [], []
    for axis, stride in enumerate(options["stride"]):
        extent = window_extent(options["kernel_size"][axis], dilation[axis])
        before = min(options["padding"][axis][0], extent - 1)
        if axis == 1:
            padded = -(-before // stride)
            windows = windows[0], padded + max(-(-(windows[1] - padded) // LANES), 1) * LANES
        image.append((windows[axis] - 1) * stride + extent - before)
        padding.append((before, 0))
    ending = {"dilation": dilation, "padding": tuple(padding)}
    return _with(case, case.shapes["x"][:2], image, options | ending)


def _tiled(case: Case) -> Case:
    """Let every window cover its own part of the image, as long as the stride, mostly along both axes.

    In every second case the windows are as long as the stride. In every second case the first may begin in the padding.
    """
    options, windows = case.options, _windows(case)
    image, kernel, dilation, padding = [], [], [], []
    for axis, stride in enumerate(options["stride"]):
        size = stride if case.seed >> 5 & 1 else min(options["kernel_size"][axis], stride)
        step = options["dilation"][axis]
        step = step if window_extent(size, step) <= stride else 1
        before = min(options["padding"][axis][0], window_extent(size, step) - 1) if case.seed % 2 else 0
        image.append(windows[axis] * stride + (case.seed >> (1 + axis)) % 4 // 3)
        kernel.append(size)
        dilation.append(step)
        padding.append((before, 0))
    tiling = {"kernel_size": tuple(kernel), "dilation": tuple(dilation), "padding": tuple(padding), "ceil_mode": False}
    batch, channels = case.shapes["x"][:2]
    return _with(case, (batch and batch + 1, channels + 2), image, options | tiling)


def _hollow(case: Case) -> Case:
    """Make the image shorter than the step between two taps along one axis or both, so that windows miss it."""
    options = {name: list(case.options[name]) for name in ("kernel_size", "dilation", "padding")}
    image = list(case.shapes["x"][2:])
    for axis in ((0,), (1,), (0, 1))[case.seed % 3]:
        step = 2 + case.seed % 2
        options["kernel_size"][axis], options["dilation"][axis], options["padding"][axis] = 2, step, (step, step)
        image[axis] = step - 1
    changed = case.options | {name: tuple(value) for name, value in options.items()}
    return _with(case, case.shapes["x"][:2], image, changed)


def _windows(case: Case) -> Shape:
    shapes = case.shapes
    return shapes["dy"][2:] if "dy" in shapes else OPS[case.op].output_shapes(shapes, case.options)[0][2:]


def _with(case: Case, planes: Shape, image: list[int], options: dict[str, Any]) -> Case:
    shapes: dict[str, Shape] = {"x": (*planes, *image)}
    if "dy" in case.shapes:
        forward = OPS[case.op.removesuffix("_backward")]
        shapes = {"dy": forward.output_shapes(shapes, options)[0], **shapes}
    return dataclasses.replace(case, shapes=shapes, options=options)


def _long(case: Case) -> Case:
    """Draw the size of every axis anew, up to LONGEST; images are small, every second one a pixel."""
    rng = np.random.default_rng(case.seed)
    op = OPS[case.op]
    longest = dict.fromkeys(("H", "W"), 1 if case.seed % 2 else IMAGE)
    sizes = {symbol: int(rng.integers(1, longest.get(symbol, LONGEST) + 1)) for symbol in op.symbols}
    shapes = {item.name: item.shape(sizes) if item.axes else case.shapes[item.name] for item in op.inputs}
    return dataclasses.replace(case, shapes=shapes)
