"""The program that runs a network fused: values and their memory, tables, instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.declare.op import Shape
from kernels.declare.shapes import normal_options
from kernels.fused import program
from kernels.fused.convolution import WEIGHT_COLUMNS, WEIGHT_ROWS
from kernels.fused.dropout import RUN
from kernels.fused.lanes import CHANNELS, LANES
from kernels.fused.normalization import FACTORS, SUMS
from kernels.fused.program import INSTRUCTION, Program
from workbench.network.executor import positions
from workbench.network.executor.arena import LayerValue, ProgramTables, image_shape
from workbench.network.executor.positions import Window
from workbench.network.spec import Layer, Network

Instruction = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class NetworkProgram:
    """A network's program; see ``kernels.fused.program``.

    Attributes
    ----------
    program : as compiled code reads it
    arena : elements of memory that one worker, or one block, needs
    sums : elements that a block has in the sums over the batch
    """

    program: Program
    arena: int
    sums: int = 0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A layer with its input and output; ReLU works in place, and so does a batch normalization in inference.

    In training, a batch normalization before a max pool leaves its input as it is: the pool normalizes what it reads, and on
    the way back replaces it by its gradient.

    Attributes
    ----------
    options : of the operation, in normal form
    relu : whether ReLU follows immediately
    weight : the start of the layer's parameters
    buffers, sums : the start of a normalization's running statistics, and of its sums over a block
    inputs : whether gradients are propagated back through it
    memory : what else the layer keeps in the arena: the factors of a normalization, what a dropout keeps
    normalization : for a pool, the stage that leaves it to the pool to normalize
    """

    layer: Layer
    options: dict[str, Any]
    source: LayerValue
    target: LayerValue
    relu: bool
    weight: int
    buffers: int
    sums: int
    inputs: bool
    memory: LayerValue | None
    normalization: Stage | None

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


def plan(network: Network, *, training: bool = True) -> NetworkProgram:
    """Return the program of a network, for training or for inference only."""
    stages, image, last = stages_of(network, training=training)
    values = [image, *(stage.target for stage in stages if stage.target is not stage.source)]
    for stage in stages:
        if stage.layer.op == "conv2d":
            stage.source.widen(stage.window.border)
            if stage.inputs:
                stage.target.widen(positions.backward_border(stage.window))
    normalizations = [stage for stage in stages if stage.layer.op == "batch_norm"]
    for stage in (*normalizations, *reversed(normalizations)):  # their input and output have gradients in one place
        stage.source.widen(stage.target.border)
        stage.target.widen(stage.source.border)
    size = _allocate(values, stages) if training else _place(values, stages)
    tables = ProgramTables()
    forward = [step for stage in stages for step in _forward(stage, tables, size, training=training)]
    backward = [step for stage in reversed(stages) for step in _backward(stage, tables, size)] if training else []
    ends = [
        {"channels": prod(image.shape), "records": tables.add(_whole(image.pixels(), size)), "scratch": size},
        {"channels": prod(last.shape), "records": tables.add(last.pixels()), "source_gradient": last.gradient},
    ]
    return NetworkProgram(
        program=program_of(ends, forward, backward, tables),
        arena=size + _scratch(stages),
        sums=SUMS * sum(stage.source.shape[0] for stage in normalizations),
    )


CUTS = program.STATISTICS, program.GRADIENT_SUMS, program.NORMALIZED_GRADIENT_SUMS
"""The instructions at the end of a segment."""


def program_of(
    ends: Sequence[Instruction], forward: Sequence[Instruction], backward: Sequence[Instruction], tables: ProgramTables
) -> Program:
    """Return a program; the gradient sums of a normalization that passes no gradients back need no others."""
    starts = [number + 1 for number, step in enumerate(forward) if step["op"] in CUTS]
    turns = [number + 1 for number, step in enumerate(backward[:-1]) if step["op"] in CUTS]
    return Program(
        packed(ends),
        packed(forward),
        packed(backward),
        tables.array(),
        np.array([*starts, len(forward)], np.int64),
        np.array([*turns, len(backward)], np.int64),
    )


def packed(steps: Sequence[Instruction]) -> NDArray[Any]:
    """Return instructions as compiled code reads them; missing fields are 0."""
    packed = np.zeros(len(steps), INSTRUCTION)
    for number, step in enumerate(steps):
        for name, value in step.items():
            packed[number][name] = value
    return packed


def stages_of(network: Network, *, training: bool) -> tuple[list[Stage], LayerValue, LayerValue]:
    """Return the layers that run, with each ReLU merged into the layer with parameters before it."""
    value = image = LayerValue(shape=image_shape(network.input_shape))
    idle = ("flatten",) if training else ("flatten", "dropout")
    layers = [
        (layer, before, behind)
        for layer, before, behind in zip(network.layers, network.shapes, network.shapes[1:], strict=False)
        if layer.op not in idle
    ]
    stages: list[Stage] = []
    weight = buffers = sums = 0
    trained, unnormalized = False, None
    for number, (layer, before, behind) in enumerate(layers):
        fused = layer.has_parameters and [each.op for each, _, _ in layers[number + 1 : number + 2]] == ["relu"]
        if layer.op == "relu":
            if value.relu:
                continue  # already applied, by the layer before it or by another ReLU
            value.relu = True
            target = value
        elif layer.op == "batch_norm" and (
            not training or _leaves_to_pool(stages, value, layers[number + 1 + fused : number + 2 + fused])
        ):
            target, value.relu = value, fused
            unnormalized = value if training else None
        else:
            target = LayerValue(shape=image_shape(behind), relu=fused)
            value.masked = value.relu and layer.op == "max_pool2d"
        sizes = layer.parameter_shapes(before)
        stages.append(
            Stage(
                layer=layer,
                options=_options(layer, before),
                source=value,
                target=target,
                relu=fused,
                weight=weight,
                buffers=buffers,
                sums=sums,
                inputs=trained,
                memory=_memory(layer, before),
                normalization=stages[-1] if layer.op == "max_pool2d" and value is unnormalized else None,
            )
        )
        trained = trained or layer.has_parameters
        weight += sum(prod(size) for size in sizes.values())
        buffers += sum(prod(size) for size in layer.buffer_shapes(before).values())
        sums += SUMS * before[0] if layer.op == "batch_norm" else 0
        value = target
    return stages, image, value


def _leaves_to_pool(
    stages: Sequence[Stage], value: LayerValue, following: Sequence[tuple[Layer, Shape, Shape]]
) -> bool:
    """Return whether a max pool can normalize its input, and replace it by its gradient.

    Its windows must have every pixel once, and what made the input must not need it on the way back.
    """
    if not following or following[0][0].op != "max_pool2d" or value.relu:
        return False
    if stages and stages[-1].layer.op == "max_pool2d":
        return False
    layer, before, _ = following[0]
    options = _options(layer, before)
    kernel = options["kernel_size"]
    whole = all(size % side == 0 for size, side in zip(before[1:], kernel, strict=True))
    return whole and kernel == options["stride"] and not np.any(options["padding"]) and options["dilation"] == (1, 1)


def _options(layer: Layer, before: Shape) -> dict[str, Any]:
    """Return the options of a layer's operation, in normal form; those of a dropout lack the seed."""
    if layer.op == "dropout":
        return layer.options
    shapes = {"x": (1, *before), **dict(zip(("w", "b"), layer.parameter_shapes(before).values(), strict=False))}
    return dict(normal_options(OPS[layer.op], layer.options, shapes))


def _memory(layer: Layer, before: Shape) -> LayerValue | None:
    if layer.op == "batch_norm":
        return LayerValue(shape=(-(-FACTORS * before[0] // LANES), 1, 1))
    return LayerValue(shape=(-(-prod(before) // RUN) * RUN, 1, 1)) if layer.op == "dropout" else None


def _place(values: Sequence[LayerValue], stages: Sequence[Stage]) -> int:
    """Assign memory to every value, and to what else the layers keep; return the total size."""
    size = 0
    for value in (*values, *(stage.memory for stage in stages if stage.memory)):
        value.offset = size
        size += value.size
    return size


def _allocate(values: Sequence[LayerValue], stages: Sequence[Stage]) -> int:
    """Assign memory as ``_place`` does, then to the gradient of every value that has one; return the total size."""
    size = _place(values, stages)
    needed = {id(stage.target) for stage in stages if stage.inputs or stage.layer.has_parameters}
    shared = {id(stage.target): stage.source for stage in stages if stage.layer.op == "batch_norm" and stage.inputs}
    in_place = {id(stage.source) for stage in stages if stage.normalization}
    for value in values:
        before = shared.get(id(value), value)
        if id(value) in in_place:
            value.gradient = 0
        elif before is not value:
            value.gradient = before.offset + before.gradient - value.offset
        elif id(value) in needed or value is values[-1]:
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
        elif stage.layer.op == "batch_norm":
            most = max(most, 2 * CHANNELS * LANES, 2 * stage.source.shape[0])
    return most + LANES * LANES


def _sums_row(stage: Stage) -> int:
    """Return the elements per channel in the scratch of ``correlate_weights``: one per term, and the bias."""
    terms = stage.source.shape[0] // stage.options["groups"] * prod(stage.window.kernel)
    return int(-(-terms // WEIGHT_COLUMNS) * WEIGHT_COLUMNS + 1)


def _forward(stage: Stage, tables: ProgramTables, scratch: int, *, training: bool) -> Iterator[Instruction]:
    source, target = stage.source, stage.target
    if stage.layer.op == "conv2d":
        yield correlation(stage, *positions.forward_records(stage.window, tables, source, target))
    elif stage.layer.op == "dense":
        step = {"op": program.DENSE, "records": _inputs(stage, tables), "target": target.offset}
        yield dense(stage) | step
    elif stage.layer.op == "relu":
        pixels = source.pixels()
        yield {"op": program.RELU, "records": tables.add(pixels), "count": pixels.size}
    elif stage.layer.op == "batch_norm":
        step = normalization(stage, tables, scratch)
        if training:
            yield step | {"op": program.STATISTICS}
        yield step | {"op": program.COMBINE if training else program.RUNNING}
        if not (training and target is source):
            yield step | {"op": program.NORMALIZE}
    elif stage.layer.op == "dropout":
        yield _dropout(stage, tables) | {"op": program.DROPOUT}
    elif stage.layer.op == "max_pool2d":
        kind = program.NORMALIZED_MAX_POOL if stage.normalization else program.MAX_POOL
        yield _pool(stage, tables) | {"op": kind, "relu": source.relu}
    else:
        yield _pool(stage, tables) | {"op": program.SUM_POOL}


def normalization(stage: Stage, tables: ProgramTables, scratch: int) -> Instruction:
    """Return the fields that all instructions for a batch normalization share."""
    source, target = stage.source, stage.target
    assert stage.memory is not None
    count, channels = prod(source.shape[1:]), source.shape[0]
    return {
        "relu": stage.relu,
        "weight": stage.weight,
        "bias": stage.weight + channels,
        "channels": channels,
        "source_channel": source.channel,
        "source_gradient": source.gradient,
        "target_channel": target.channel,
        "target_gradient": target.gradient,
        "records": tables.add(source.pixels()[:count]),
        "columns": tables.add(target.pixels()[:count]),
        "count": count,
        "pixels": count,
        "scratch": scratch,
        "factors": stage.memory.offset,
        "sums": stage.sums,
        "buffers": stage.buffers,
        "epsilon": stage.options["epsilon"],
    }


def _dropout(stage: Stage, tables: ProgramTables) -> Instruction:
    """Return the fields that both instructions for a dropout share."""
    source, target, p = stage.source, stage.target, stage.options["p"]
    assert stage.memory is not None
    return {
        "source_gradient": source.gradient,
        "target_gradient": target.gradient,
        "records": tables.add(source.pixels()),
        "columns": tables.add(target.pixels()),
        "count": prod(source.shape),
        "scratch": stage.memory.offset,
        "layer": stage.layer.number,
        "least": int(p * 2.0**32),
        "factor": float(np.float32(1 / (1 - p))),
    }


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
    elif stage.layer.op == "batch_norm":
        if target is source:
            return  # the pool does it
        if stage.relu:
            yield from _relu_backward(target, tables)
        step = normalization(stage, tables, scratch)
        yield step | {"op": program.GRADIENT_SUMS}
        if stage.inputs:
            yield step | {"op": program.NORMALIZE_BACKWARD}
    elif stage.normalization:
        step = normalization(stage.normalization, tables, scratch) | _pool(stage, tables)
        step |= {"relu": source.masked, "target_gradient": target.gradient}
        yield step | {"op": program.NORMALIZED_GRADIENT_SUMS}
        if stage.normalization.inputs:
            yield step | {"op": program.NORMALIZED_MAX_POOL_BACKWARD}
    elif not stage.inputs:
        return
    elif stage.layer.op == "dropout":
        yield _dropout(stage, tables) | {"op": program.DROPOUT_BACKWARD}
    elif stage.layer.op == "relu":
        if not source.masked:
            yield from _relu_backward(source, tables)
    else:
        step = _pool(stage, tables)
        if step["overlapping"] or not _covers(stage.window):
            yield {"op": program.CLEAR, "source": source.offset + source.gradient, "count": source.size // LANES}
        yield step | {
            "op": program.MAX_POOL_BACKWARD if stage.layer.op == "max_pool2d" else program.SUM_POOL_BACKWARD,
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
        "factors": stage.normalization.memory.offset if stage.normalization and stage.normalization.memory else 0,
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
