"""The program of a network for one sample at a time; see ``kernels.fused.one_sample``."""

from collections.abc import Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray

from kernels.fused import program
from kernels.fused.lanes import LANES
from workbench.network.executor import positions
from workbench.network.executor.arena import LayerValue, ProgramTables
from workbench.network.executor.program import (
    Instruction,
    NetworkProgram,
    Stage,
    correlation,
    dense,
    normalization,
    program_of,
    stages_of,
)
from workbench.network.spec import Network


def plan_single(network: Network) -> NetworkProgram | None:
    """Return the program; None if a convolution has a column stride, or would write past a row where it must not."""
    stages, image, last = stages_of(network, training=False)
    values = [image, *(stage.target for stage in stages if stage.target is not stage.source)]
    for value in values:
        value.width = 1
    for stage in stages:
        if stage.layer.op == "conv2d":
            if stage.window.stride[1] > 1:
                return None
            stage.source.widen(stage.window.border)
            stage.target.pitch = LANES
    if any(value.pitch > value.shape[2] and any(value.border) for value in values):
        return None
    size = LANES
    for value in (*values, *(stage.memory for stage in stages if stage.memory)):
        value.offset = size
        size += -(-(value.size + 2 * LANES) // LANES) * LANES
    tables = ProgramTables()
    copies = LayerValue(shape=(1, 1, max(prod(value.shape) for value in values)), offset=size, width=1)
    scratch = size + -(-copies.size // LANES) * LANES + LANES
    widest = max(value.row for value in values)
    steps = [step for stage in stages for step in _steps(stage, tables, copies, scratch)]
    ends = [
        {
            "channels": prod(image.shape),
            "records": tables.add(image.pixels()[:: image.shape[2]]),
            "count": image.shape[0] * image.shape[1],
            "width": image.shape[2],
        },
        {"channels": prod(last.shape), "records": tables.add(last.pixels())},
    ]
    return NetworkProgram(program=program_of(ends, steps, [], tables), arena=scratch + widest + 4 * LANES)


def _steps(stage: Stage, tables: ProgramTables, copies: LayerValue, scratch: int) -> Iterator[Instruction]:
    source, target = stage.source, stage.target
    if stage.layer.op == "conv2d":
        yield correlation(stage, *positions.row_records(stage.window, tables, source, target))
    elif stage.layer.op == "dense":
        start, pixels = source.offset, source.pixels()
        if source.size != pixels.size:  # the rows of the image are not contiguous
            start = copies.offset
            yield {"op": program.GATHER, "records": tables.add(pixels), "count": pixels.size, "target": start}
        yield dense(stage) | {"op": program.DENSE, "source": start, "target": target.offset, "scratch": scratch}
    elif stage.layer.op == "batch_norm":
        step = normalization(stage, tables, scratch)
        yield step | {"op": program.RUNNING}
        yield step | {"op": program.NORMALIZE}
    elif stage.layer.op == "relu":
        pixels = source.pixels()
        yield {"op": program.RELU, "records": tables.add(pixels), "count": pixels.size}
    else:
        yield _pool(stage, tables) | {"scratch": scratch}


def _pool(stage: Stage, tables: ProgramTables) -> Instruction:
    source, target, window = stage.source, stage.target, stage.window
    starts, counts = [], []
    for axis in (0, 1):
        places, inside = window.read_by(axis, np.arange(window.target[axis]))
        starts.append(np.take_along_axis(places, inside.argmax(axis=1)[:, None], 1)[:, 0])
        counts.append(inside.sum(axis=1))
    rows = [source.at(starts[0], 0), target.at(np.arange(window.target[0]), 0), counts[0]]
    return {
        "op": program.MAX_POOL if stage.layer.op == "max_pool2d" else program.SUM_POOL,
        "channels": source.shape[0],
        "source_channel": source.channel,
        "source_row": source.row,
        "target_channel": target.channel,
        "records": tables.add(np.stack(rows, axis=1)),
        "count": window.target[0],
        "columns": tables.add(np.stack([starts[1], counts[1]], axis=1)),
        "rows": window.target[1],
        "width": source.shape[2],
        "source_column": 2 if _takes_pairs(starts[1], counts[1]) else 0,
        "divisor": prod(window.kernel) if stage.layer.op == "avg_pool2d" else 1,
    }


def _takes_pairs(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> bool:
    """Return whether windows are consecutive pairs of columns, starting with the first."""
    return bool((counts == 2).all() and (starts == 2 * np.arange(starts.size)).all())
