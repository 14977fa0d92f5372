"""Translate a network into a program for a CUDA device, see ``kernels.fused.cuda.device_program``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from operator import ge
from typing import Any

import numpy as np

from kernels.declare.op import Shape
from kernels.fused.cuda import device_normalization as normalization
from kernels.fused.cuda import device_program as program
from kernels.fused.cuda.device_program import FIELDS, RUN_FIELDS, DeviceProgram
from workbench.network.spec import Layer, Network

Instruction = dict[str, Any]

WINDOWED = ("conv2d", "max_pool2d", "avg_pool2d", "sum_pool2d")


@dataclass(kw_only=True)
class _Value:
    """The output of a layer, or the images.

    Attributes
    ----------
    shape : (channels, rows, columns)
    padding : around it and its gradient: above, below, left, right
    offset : of its first pixel in the arena
    gradient : distance to its gradient; 0 if it has none
    is_rectified : whether it has gone through ReLU
    """

    shape: tuple[int, int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    offset: int = 0
    gradient: int = 0
    is_rectified: bool = False

    @property
    def row(self) -> int:
        """Distance from row to row."""
        return self.shape[2] + self.padding[2] + self.padding[3]

    @property
    def channel(self) -> int:
        """Distance from channel to channel."""
        return self.row * (self.shape[1] + self.padding[0] + self.padding[1])

    @property
    def size(self) -> int:
        """The elements in memory, padding included."""
        return self.channel * self.shape[0]

    def place(self, start: int, *, with_gradient: bool) -> int:
        """Give the value memory from ``start`` on; return the end."""
        self.offset = start + self.padding[0] * self.row + self.padding[2]
        self.gradient = self.size if with_gradient else 0
        return start + self.size * (1 + with_gradient)

    def fields(self, name: str) -> Instruction:
        """Return the fields of an instruction that describe it as "source" or "target"."""
        return {
            name: self.offset,
            f"{name}_row": self.row,
            f"{name}_channel": self.channel,
            f"{name}_gradient": self.gradient,
        }


@dataclass(kw_only=True)
class _Stage:
    """A layer that takes instructions, with what is before and after it.

    Attributes
    ----------
    options : in normal form
    relu : whether ReLU follows, as part of it
    weight, partial, kept, sums, buffers : where its own memory begins
    inputs : whether the gradient of its source is needed
    """

    layer: Layer
    source: _Value
    target: _Value
    options: dict[str, Any]
    relu: bool = False
    weight: int = 0
    partial: int = 0
    kept: int = 0
    sums: int = 0
    buffers: int = 0
    inputs: bool = True


def plan(network: Network, *, training: bool) -> DeviceProgram:
    """Return the program of a training step, or of inference, which ends with the scores."""
    values, stages = _stages(network, training=training)
    arena = 1  # the first element is 0, and stays it
    for value in values:
        arena = value.place(arena, with_gradient=training)
    for stage in stages:
        stage.kept, arena = arena, arena + _kept(stage)
    partials, sums = _assign(network, stages)
    phases: list[list[tuple[Instruction, float]]] = [[]]

    def add(steps: Iterator[tuple[Instruction, float] | None]) -> None:
        for step in steps:
            if step is None:
                phases.append([])
            else:
                phases[-1].append(step)

    first, last = values[0], values[-1]
    add(iter([({"op": program.IMAGES, **_whole(first)}, 0.0)]))
    for stage in stages:
        add(_forward(stage, training=training))
    ends: list[tuple[Instruction, float] | None] = [({"op": program.SCORES, **_whole(last)}, 0.0)]
    if training:
        ends.append(({"op": program.LOSS, **_whole(last), "masked": last.is_rectified}, 0.0))
    add(iter(ends))
    for stage in reversed(stages) if training else ():
        add(_backward(stage))
    steps = [step for phase in phases for step in phase]
    rows = [[int(step.get(name, 0)) for name in FIELDS] for step, _ in steps]
    runs = [run for stage in stages for run in _runs(stage)] if training else []
    return DeviceProgram(
        instructions=np.array(rows, np.uint64),
        factors=np.array([factor for _, factor in steps], np.float32),
        ends=np.cumsum([len(phase) for phase in phases], dtype=np.int64),
        runs=np.array(
            [[run.get(name, 0) for name in RUN_FIELDS] for run in runs] or [[0] * len(RUN_FIELDS)], np.uint64
        ),
        arena=arena,
        partials=partials,
        sums=sums,
    )


def _stages(network: Network, *, training: bool) -> tuple[list[_Value], list[_Stage]]:
    """Return the values, images first, and the layers between them; ReLU belongs to the layer before it where it can."""
    values = [_Value(shape=_image(network.input_shape))]
    stages: list[_Stage] = []
    for number, layer in enumerate(network.layers):
        before, after = network.shapes[number], network.shapes[number + 1]
        source = values[-1]
        if layer.op == "flatten" or (layer.op == "dropout" and not training):
            continue
        if layer.op == "relu":
            joins = stages and stages[-1].layer.op in ("conv2d", "dense", "batch_norm") and not stages[-1].relu
            if joins:
                stages[-1].relu = True
            else:  # in place
                stages.append(_Stage(layer=layer, source=source, target=source, options={}))
            source.is_rectified = True
            continue
        options = layer.options if layer.op == "dropout" else layer.normal_options(before)
        if layer.op == "conv2d":
            (top, bottom), (left, right) = options["padding"]
            source.padding = (top, bottom, left, right)
        target = _Value(shape=_image(after))
        stages.append(_Stage(layer=layer, source=source, target=target, options=options))
        values.append(target)
    flat = [stage.source for stage in stages if stage.layer.op == "dense"] + values[-1:]
    for stage in stages:
        stage.inputs = stage.source is not values[0]
        border = _border(stage)
        if training and stage.inputs and border and not any(stage.target is each for each in flat):
            above, below, left, right = map(max, stage.target.padding, border)
            stage.target.padding = above, below, left, right
    return values, stages


def _border(stage: _Stage) -> tuple[int, int, int, int] | None:
    """Return how far beyond the target's gradient the gradient of the source looks, as ``padding``; None for other layers.

    With strides it does not look at neighbours.
    """
    if stage.layer.op != "conv2d" or stage.options["stride"] != (1, 1):
        return None
    assert stage.layer.kernel is not None
    vertical, horizontal = (
        [max((size - 1) * dilation - pad, 0) for pad in pads]
        for size, dilation, pads in zip(
            stage.layer.kernel, stage.options["dilation"], stage.options["padding"], strict=True
        )
    )
    return vertical[0], vertical[1], horizontal[0], horizontal[1]


def _image(shape: Shape) -> tuple[int, int, int]:
    """Return a sample's shape as channels, rows and columns: a vector is channels of one pixel."""
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def _kept(stage: _Stage) -> int:
    if stage.layer.op in ("max_pool2d", "dropout"):
        return prod(stage.target.shape)
    return normalization.FACTORS * stage.source.shape[0] if stage.layer.op == "batch_norm" else 0


def _assign(network: Network, stages: list[_Stage]) -> tuple[int, int]:
    """Place parameters, contributions, sums and statistics; return the sizes of contributions and sums of a sample."""
    weights: dict[int, int] = {}
    place = 0
    for name, shape in network.parameter_shapes.items():
        weights.setdefault(int(name.partition(".")[0]), place)
        place += prod(shape)
    partials = sums = buffers = 0
    for stage in stages:
        channels = stage.source.shape[0]
        stage.weight = weights.get(stage.layer.number, 0)
        stage.partial = partials
        if stage.layer.op in ("conv2d", "batch_norm"):
            partials += _weights(stage) + stage.target.shape[0]
        if stage.layer.op == "batch_norm":
            stage.sums, stage.buffers = sums, buffers
            sums += normalization.SUMS * channels
            buffers += normalization.BUFFERS * channels
    return partials, sums


def _weights(stage: _Stage) -> int:
    """Return the number of weights of a layer, its biases apart."""
    source = stage.source.shape
    shape = source if stage.layer.op != "dense" else (prod(source),)
    return prod(stage.layer.parameter_shapes(shape)["weight"])


def _whole(value: _Value) -> Instruction:
    channels, height, width = value.shape
    return {**value.fields("source"), "channels": channels, "height": height, "width": width}


def _common(stage: _Stage) -> Instruction:
    """Return the fields that all instructions for a layer share."""
    target = stage.target
    fields = {
        **_whole(stage.source),
        **target.fields("target"),
        "rows": target.shape[0],
        "out_h": target.shape[1],
        "out_w": target.shape[2],
        "relu": stage.relu,
        "masked": stage.source.is_rectified,
        "kept": stage.kept,
    }
    if stage.layer.op in WINDOWED:
        kernel = stage.layer.kernel or stage.options["kernel_size"]
        fields |= {"kernel_h": kernel[0], "kernel_w": kernel[1]}
        for name in ("stride", "dilation"):
            fields |= {f"{name}_h": stage.options[name][0], f"{name}_w": stage.options[name][1]}
        fields |= {"top": stage.options["padding"][0][0], "left": stage.options["padding"][1][0]}
        whole = all(size % side == 0 for size, side in zip(stage.source.shape[1:], kernel, strict=True))
        plain = not np.any(stage.options["padding"]) and stage.options["dilation"] == (1, 1)
        fields["apart"] = whole and plain and kernel == stage.options["stride"]
    if stage.layer.has_parameters:
        fields |= {"weight": stage.weight, "bias": stage.weight + _weights(stage), "partial": stage.partial}
    if stage.layer.op == "conv2d":
        groups = stage.options["groups"]
        border = _border(stage)
        fields["bordered"] = border is not None and all(map(ge, target.padding, border))
        fields |= {"groups": groups, "channels": fields["channels"] // groups, "rows": fields["rows"] // groups}
    elif stage.layer.op == "dense":
        fields["channels"] = prod(stage.source.shape)
    elif stage.layer.op == "batch_norm":
        fields |= {"sums": stage.sums, "buffers": stage.buffers}
    elif stage.layer.op == "dropout":
        fields |= {"layer": stage.layer.number, "least": int(stage.options["p"] * 2.0**32)}
    return fields


def _factor(stage: _Stage) -> float:
    if stage.layer.op == "avg_pool2d":
        return float(1 / prod(stage.options["kernel_size"]))
    if stage.layer.op == "dropout":
        return float(np.float32(1 / (1 - stage.options["p"])))
    return float(stage.options.get("epsilon", 1.0))


_FORWARD = {
    "conv2d": program.CORRELATE,
    "dense": program.DENSE,
    "relu": program.RELU,
    "max_pool2d": program.MAX_POOL,
    "avg_pool2d": program.SUM_POOL,
    "sum_pool2d": program.SUM_POOL,
    "dropout": program.DROPOUT,
}


def _forward(stage: _Stage, *, training: bool) -> Iterator[tuple[Instruction, float] | None]:
    """Yield the instructions for a layer; None ends a phase."""
    fields, factor = _common(stage), _factor(stage)
    if stage.layer.op == "batch_norm":
        if training:
            yield fields | {"op": program.STATISTICS}, factor
            yield None
        yield fields | {"op": program.COMBINE if training else program.RUNNING}, factor
        yield fields | {"op": program.NORMALIZE}, factor
    else:
        yield fields | {"op": _FORWARD[stage.layer.op]}, factor


_BACKWARD = {
    "conv2d": program.CORRELATE_INPUTS,
    "dense": program.DENSE_INPUTS,
    "max_pool2d": program.MAX_POOL_BACKWARD,
    "avg_pool2d": program.SUM_POOL_BACKWARD,
    "sum_pool2d": program.SUM_POOL_BACKWARD,
    "dropout": program.DROPOUT_BACKWARD,
}


def _backward(stage: _Stage) -> Iterator[tuple[Instruction, float] | None]:
    """Yield the instructions for the gradients of a layer; None ends a phase.

    ReLU has none: what writes the gradient of a value that has gone through it leaves out where it is 0.
    """
    fields, factor = _common(stage), _factor(stage)
    if stage.layer.op == "conv2d":
        yield fields | {"op": program.CORRELATE_WEIGHTS}, factor
    elif stage.layer.op == "batch_norm":
        yield fields | {"op": program.GRADIENT_SUMS}, factor
        if stage.inputs:
            yield None
            yield fields | {"op": program.NORMALIZE_BACKWARD}, factor
        return
    if stage.inputs and stage.layer.op in _BACKWARD:
        yield fields | {"op": _BACKWARD[stage.layer.op]}, factor


def _runs(stage: _Stage) -> Iterator[dict[str, int]]:
    """Yield how the gradients of a layer's parameters are summed over the samples."""
    if not stage.layer.has_parameters:
        return
    weights, biases = _weights(stage), stage.target.shape[0]
    if stage.layer.op == "dense":
        gradient = stage.target.offset + stage.target.gradient
        columns = prod(stage.source.shape)
        products = {"columns": columns, "at": gradient, "values": stage.source.offset}
        yield {"kind": program.PRODUCTS, "first": stage.weight, "count": weights, **products}
        yield {"kind": program.GRADIENTS, "first": stage.weight + weights, "count": biases, "at": gradient}
    else:
        yield {"kind": program.PARTS, "first": stage.weight, "count": weights + biases, "at": stage.partial}
