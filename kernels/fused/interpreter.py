"""Running the program of a network over one block of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_part
from kernels.fused import convolution, pooling
from kernels.fused import dense as dense_layer
from kernels.fused.program import (
    CLEAR,
    CORRELATE,
    CORRELATE_INPUTS,
    CORRELATE_WEIGHTS,
    DENSE,
    DENSE_INPUTS,
    DENSE_WEIGHTS,
    MAX_POOL,
    MAX_POOL_BACKWARD,
    RELU,
    RELU_BACKWARD,
    SUM_POOL,
    SUM_POOL_BACKWARD,
)

Floats = NDArray[np.float32]


@cpu_part
def run_forward(program: Any, tables: NDArray[np.int64], arena: Floats, parameters: Floats) -> None:
    """Run the instructions that make scores of images."""
    for number in range(program.size):
        step = program[number]
        if step.op == CORRELATE:
            convolution.correlate(step, parameters, arena, tables)
        elif step.op == DENSE:
            dense_layer.dense(step, parameters, arena, tables)
        elif step.op == MAX_POOL:
            pooling.max_pool(step, arena, tables)
        elif step.op == SUM_POOL:
            pooling.sum_pool(step, arena, tables)
        elif step.op == RELU:
            pooling.relu(step, arena, tables)


@cpu_part
def run_backward(program: Any, tables: NDArray[np.int64], arena: Floats, parameters: Floats, gradients: Floats) -> None:
    """Run the instructions that lead the gradients back, and add those of the parameters to ``gradients``."""
    for number in range(program.size):
        step = program[number]
        if step.op == CORRELATE_INPUTS:
            convolution.correlate_inputs(step, parameters, arena, tables)
        elif step.op == CORRELATE_WEIGHTS:
            convolution.correlate_weights(step, arena, tables, gradients)
        elif step.op == DENSE_INPUTS:
            dense_layer.dense_inputs(step, parameters, arena, tables)
        elif step.op == DENSE_WEIGHTS:
            dense_layer.dense_weights(step, arena, tables, gradients)
        elif step.op == MAX_POOL_BACKWARD:
            pooling.max_pool_backward(step, arena, tables)
        elif step.op == SUM_POOL_BACKWARD:
            pooling.sum_pool_backward(step, arena, tables)
        elif step.op == RELU_BACKWARD:
            pooling.relu_backward(step, arena, tables)
        elif step.op == CLEAR:
            pooling.clear(step, arena)
