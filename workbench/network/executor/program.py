"""The program that runs a network fused: values and their memory, tables, instructions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.declare.shapes import normal_options
from kernels.fused import program
from kernels.fused.convolution import WEIGHT_COLUMNS, WEIGHT_ROWS
from kernels.fused.lanes import LANES
from kernels.fused.program import INSTRUCTION
from workbench.network.executor import positions
from workbench.network.executor.arena import LayerValue, ProgramTables, image_shape
from workbench.network.executor.positions import Window
from workbench.network.spec import POOLS, Layer, Network

Instruction = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class NetworkProgram:
    """A network's program; see ``kernels.fused.program``.

    Attributes
    ----------
    ends : the instructions that read images and locate the scores
    forward, backward : instructions
    tables : referenced by the instructions
    arena : elements of memory that one worker needs
    """

    ends: NDArray[Any]
    forward: NDArray[Any]
    backward: NDArray[Any]
    tables: NDArray[np.int64]
    arena: int


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A layer with its input and output; ReLU works in place.

    Attributes
    ----------
    options : of the operation, in normal form
    relu : whether ReLU follows immediately
    weight : the start of the layer's parameters
    inputs : whether gradients are propagated back through it
    """

    layer: Layer
    options: dict[str, Any]
    source: LayerValue
    target: LayerValue
    relu: bool
    weight: int
    inputs: bool

    @property
    def window(self) -> Window:
        """The geometry of a convolution or pool."""
        kernel = self.layer.kernel or self.options["kernel_size"]
        return Window(
            kernel=kernel,
            stride=self.options["stride"],
            dilation=self.options["dilation"],
            padding=self.options["padding"],
            source=self.source.shape[1:],
            target=self.target.shape[1:],
        )


LAYER_OPS = frozenset(("conv2d", "relu", "flatten", "dense", *POOLS.values()))
"""The operations of the layers that programs can run."""


def plan(network: Network) -> NetworkProgram:
    """Return the program of a network."""
    stages, image, last = stages_of(network)
    values = [image, *(stage.target for stage in stages if stage.target is not stage.source)]
    for stage in stages:
        if stage.layer.op == "conv2d":
            stage.source.widen(stage.window.border)
            if stage.inputs:
                stage.target.widen(positions.backward_border(stage.window))
    size = _allocate(values, stages)
    tables = ProgramTables()
    scratch = size
    forward = [step for stage in stages for step in _forward(stage, tables)]
    backward = [step for stage in reversed(stages) for step in _backward(stage, tables, scratch)]
    ends = [
        {"channels": prod(image.shape), "records": tables.add(_whole(image.pixels(), scratch)), "scratch": scratch},
        {"channels": prod(last.shape), "records": tables.add(last.pixels()), "source_gradient": last.gradient},
    ]
    return NetworkProgram(
        ends=packed(ends),
        forward=packed(forward),
        backward=packed(backward),
        tables=tables.array(),
        arena=size + _scratch(stages),
    )


def packed(steps: Sequence[Instruction]) -> NDArray[Any]:
    """Return instructions as compiled code reads them; missing fields are 0."""
    packed = np.zeros(len(steps), INSTRUCTION)
    for number, step in enumerate(steps):
        for name, value in step.items():
            packed[number][name] = value
    return packed


def stages_of(network: Network) -> tuple[list[Stage], LayerValue, LayerValue]:
    """Return the layers except flatten, with each ReLU merged into the convolution or dense layer before it."""
    value = image = LayerValue(shape=image_shape(network.input_shape))
    layers = [
        (layer, before, behind)
        for layer, before, behind in zip(network.layers, network.shapes, network.shapes[1:], strict=False)
        if layer.op != "flatten"
    ]
    stages: list[Stage] = []
    weight, trained = 0, False
    for number, (layer, before, behind) in enumerate(layers):
        if layer.op == "relu":
            if value.relu:
                continue  # already applied, by the layer before it or by another ReLU
            value.relu = True
            target, fused = value, False
        else:
            target = LayerValue(shape=image_shape(behind))
            fused = layer.outputs is not None and number + 1 < len(layers) and layers[number + 1][0].op == "relu"
            target.relu = fused
            value.masked = value.relu and layer.op == "max_pool2d"
        sizes = layer.parameter_shapes(before)
        shapes = {"x": (1, *before), **dict(zip(("w", "b"), sizes.values(), strict=False))}
        options = normal_options(OPS[layer.op], layer.options, shapes)
        stages.append(
            Stage(
                layer=layer,
                options=dict(options),
                source=value,
                target=target,
                relu=fused,
                weight=weight,
                inputs=trained,
            )
        )
        trained = trained or layer.outputs is not None
        weight += sum(prod(size) for size in sizes.values())
        value = target
    return stages, image, value


def _allocate(values: Sequence[LayerValue], stages: Sequence[Stage]) -> int:
    """Assign memory to every value, and to its gradient if there is one; return the total size."""
    needed = {id(stage.target) for stage in stages if stage.inputs or stage.layer.outputs is not None}
    size = 0
    for value in values:
        value.offset = size
        size += value.size
    for value in values:
        if id(value) in needed or value is values[-1]:
            value.gradient = size - value.offset
            size += value.size
    return size


def _scratch(stages: Sequence[Stage]) -> int:
    """Return the scratch size of the most demanding instruction; reads of whole registers may end inside the last."""
    most = LANES * LANES
    for stage in stages:
        if stage.layer.op == "dense":
            channels = -(-prod(stage.source.shape) // LANES) * LANES
            most = max(most, LANES * max(channels, 4 * LANES))
        elif stage.layer.op == "conv2d":
            rows = -(-stage.target.shape[0] // stage.options["groups"]) + WEIGHT_ROWS[0]
            most = max(most, rows * _sums_row(stage) * LANES)
    return most + LANES * LANES


def _sums_row(stage: Stage) -> int:
    """Return the elements per channel in the scratch of ``correlate_weights``: one per term, and the bias."""
    terms = stage.source.shape[0] // stage.options["groups"] * prod(stage.window.kernel)
    return int(-(-terms // WEIGHT_COLUMNS) * WEIGHT_COLUMNS + 1)


def _forward(stage: Stage, tables: ProgramTables) -> Iterator[Instruction]:
    source, target = stage.source, stage.target
    if stage.layer.op == "conv2d":
        yield correlation(stage, *positions.forward_records(stage.window, tables, source, target))
    elif stage.layer.op == "dense":
        step = {"op": program.DENSE, "records": _inputs(stage, tables), "target": target.offset}
        yield dense(stage) | step
    elif stage.layer.op == "relu":
        pixels = source.pixels()
        yield {"op": program.RELU, "records": tables.add(pixels), "count": pixels.size}
    else:
        kind = program.MAX_POOL if stage.layer.op == "max_pool2d" else program.SUM_POOL
        yield _pool(stage, tables) | {"op": kind}


def correlation(stage: Stage, records: int, count: int) -> Instruction:
    """Return the instruction for a convolution with these records."""
    source, target, groups = stage.source, stage.target, stage.options["groups"]
    rows, channels, taps = target.shape[0] // groups, source.shape[0] // groups, prod(stage.window.kernel)
    return {
        "op": program.CORRELATE,
        "relu": stage.relu,
        "weight": stage.weight,
        "bias": stage.weight + target.shape[0] * channels * taps,
        "groups": groups,
        "rows": rows,
        "channels": channels,
        "source_group": channels * source.channel,
        "source_channel": source.channel,
        "target_group": rows * target.channel,
        "target_channel": target.channel,
        "weight_group": rows * channels * taps,
        "weight_channel": taps,
        "weight_row": channels * taps,
        "records": records,
        "count": count,
    }


def _backward(stage: Stage, tables: ProgramTables, scratch: int) -> Iterator[Instruction]:
    """Return the instructions for one layer; gradients stop at the first layer with parameters."""
    source, target, options = stage.source, stage.target, stage.options
    if stage.layer.op == "conv2d":
        if stage.relu and not target.masked:
            yield from _relu_backward(target, tables)
        groups = options["groups"]
        rows, channels, taps = target.shape[0] // groups, source.shape[0] // groups, prod(stage.window.kernel)
        records, count = positions.weight_records(stage.window, tables, source, target)
        yield {
            "op": program.CORRELATE_WEIGHTS,
            "weight": stage.weight,
            "bias": stage.weight + target.shape[0] * channels * taps,
            "groups": groups,
            "rows": rows,
            "channels": channels * taps,
            "source_group": channels * source.channel,
            "target_group": rows * target.channel,
            "target_channel": target.channel,
            "weight_row": _sums_row(stage),
            "records": records,
            "count": count,
            "columns": positions.weight_columns(stage.window, tables, source, channels, WEIGHT_COLUMNS),
            "scratch": scratch,
        }
        if stage.inputs:
            records, count = positions.backward_records(stage.window, tables, target, source)
            yield {
                "op": program.CORRELATE_INPUTS,
                "weight": stage.weight,
                "groups": groups,
                "rows": channels,
                "channels": rows,
                "source_group": rows * target.channel,
                "source_channel": target.channel,
                "target_group": channels * source.channel,
                "target_channel": source.channel,
                "weight_group": rows * channels * taps,
                "weight_channel": channels * taps,
                "weight_row": taps,
                "records": records,
                "count": count,
            }
    elif stage.layer.op == "dense":
        if stage.relu and not target.masked:
            yield from _relu_backward(target, tables)
        step = dense(stage) | {"target": target.offset + target.gradient, "scratch": scratch}
        yield step | {"op": program.DENSE_WEIGHTS, "records": _inputs(stage, tables)}
        if stage.inputs:
            yield step | {
                "op": program.DENSE_INPUTS,
                "records": tables.add(source.pixels() + source.gradient),
            }
    elif not stage.inputs:
        return
    elif stage.layer.op == "relu":
        if not source.masked:
            yield from _relu_backward(source, tables)
    else:
        step = _pool(stage, tables)
        if step["overlapping"] or not _covers(stage.window):
            yield {"op": program.CLEAR, "source": source.offset + source.gradient, "count": source.size // LANES}
        maximum = stage.layer.op == "max_pool2d"
        yield step | {
            "op": program.MAX_POOL_BACKWARD if maximum else program.SUM_POOL_BACKWARD,
            "relu": source.masked,
            "source_gradient": source.gradient,
            "target_gradient": target.gradient,
        }


def _relu_backward(value: LayerValue, tables: ProgramTables) -> Iterator[Instruction]:
    pixels = value.pixels()
    yield {
        "op": program.RELU_BACKWARD,
        "records": tables.add(pixels),
        "count": pixels.size,
        "source_gradient": value.gradient,
    }


def dense(stage: Stage) -> Instruction:
    """Return the fields that all instructions for a dense layer share."""
    channels = prod(stage.source.shape)
    return {
        "relu": stage.relu,
        "weight": stage.weight,
        "bias": stage.weight + stage.target.shape[0] * channels,
        "rows": stage.target.shape[0],
        "channels": channels,
    }


def _inputs(stage: Stage, tables: ProgramTables) -> int:
    pixels = stage.source.pixels()
    return tables.add(_whole(pixels, int(pixels[-1])))


def _whole(pixels: NDArray[np.int64], beyond: int) -> NDArray[np.int64]:
    """Pad a table to whole registers of pixels; the extra ones are at ``beyond``."""
    return np.pad(pixels, (0, -pixels.size % LANES), constant_values=beyond)


def _pool(stage: Stage, tables: ProgramTables) -> Instruction:
    source, target, window = stage.source, stage.target, stage.window
    rows, columns = np.indices(window.target, dtype=np.int64).reshape(2, -1)
    down, inside_rows = window.read_by(0, rows)
    across, inside_columns = window.read_by(1, columns)
    first_row = np.take_along_axis(down, inside_rows.argmax(axis=1)[:, None], 1)[:, 0]
    first_column = np.take_along_axis(across, inside_columns.argmax(axis=1)[:, None], 1)[:, 0]
    records = np.stack(
        [
            source.at(first_row, first_column),
            target.at(rows, columns),
            inside_rows.sum(axis=1),
            inside_columns.sum(axis=1),
        ],
        axis=1,
    )
    return {
        "channels": source.shape[0],
        "source_channel": source.channel,
        "source_row": source.row * window.dilation[0],
        "source_column": LANES * window.dilation[1],
        "target_channel": target.channel,
        "records": tables.add(records),
        "count": len(records),
        "divisor": prod(window.kernel) if stage.layer.op == "avg_pool2d" else 1,
        "overlapping": any(size > step for size, step in zip(window.kernel, window.stride, strict=True)),
    }


def _covers(window: Window) -> bool:
    """Return whether every pixel is in a window."""
    return all(
        np.unique(places[inside]).size == window.source[axis]
        for axis in (0, 1)
        for places, inside in [window.read_by(axis, np.arange(window.target[axis]))]
    )
