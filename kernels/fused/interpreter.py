"""Run the program of a network over one block of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_part
from kernels.fused import convolution, normalization, pooling
from kernels.fused import dense as dense_layer
from kernels.fused import dropout as dropout_layer
from kernels.fused.program import (
    CLEAR,
    COMBINE,
    CORRELATE,
    CORRELATE_INPUTS,
    CORRELATE_WEIGHTS,
    DENSE,
    DENSE_INPUTS,
    DENSE_WEIGHTS,
    DROPOUT,
    DROPOUT_BACKWARD,
    GRADIENT_SUMS,
    MAX_POOL,
    MAX_POOL_BACKWARD,
    NORMALIZE,
    NORMALIZE_BACKWARD,
    NORMALIZED_GRADIENT_SUMS,
    NORMALIZED_MAX_POOL,
    NORMALIZED_MAX_POOL_BACKWARD,
    RELU,
    RELU_BACKWARD,
    RUNNING,
    STATISTICS,
    SUM_POOL,
    SUM_POOL_BACKWARD,
    Block,
)

Floats = NDArray[np.float32]


@cpu_part
def _run_layer(step: Any, tables: NDArray[np.int64], arena: Floats, parameters: Floats) -> None:
    """Run an instruction that training and inference share."""
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
    elif step.op == NORMALIZE:
        normalization.normalize(step, arena, tables)


@cpu_part
def run_inference(program: Any, tables: NDArray[np.int64], arena: Floats, parameters: Floats, block: Block) -> None:
    """Run the instructions that compute scores from images, in inference."""
    for number in range(program.size):
        step = program[number]
        if step.op == RUNNING:
            normalization.from_running(step, arena, parameters, block)
        else:
            _run_layer(step, tables, arena, parameters)


@cpu_part
def run_forward(program: Any, tables: NDArray[np.int64], arena: Floats, parameters: Floats, block: Block) -> None:
    """Run instructions that compute scores from images, in training."""
    for number in range(program.size):
        step = program[number]
        if step.op == STATISTICS:
            normalization.statistics(step, arena, tables, block)
        elif step.op == COMBINE:
            normalization.combine(step, arena, parameters, block)
        elif step.op == NORMALIZED_MAX_POOL:
            pooling.normalized_max_pool(step, arena, tables)
        elif step.op == DROPOUT:
            dropout_layer.dropout(step, arena, tables, block)
        else:
            _run_layer(step, tables, arena, parameters)


@cpu_part
def run_backward(
    program: Any, tables: NDArray[np.int64], arena: Floats, parameters: Floats, gradients: Floats, block: Block
) -> None:
    """Run instructions that propagate the gradients back, and add those of the parameters to ``gradients``."""
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
        elif step.op == GRADIENT_SUMS:
            normalization.gradient_sums(step, arena, tables, gradients, block)
        elif step.op == NORMALIZE_BACKWARD:
            normalization.normalize_backward(step, arena, tables, block)
        elif step.op == NORMALIZED_MAX_POOL_BACKWARD:
            pooling.normalized_max_pool_backward(step, arena, tables, block)
        elif step.op == NORMALIZED_GRADIENT_SUMS:
            pooling.normalized_gradient_sums(step, arena, tables, gradients, block)
        elif step.op == DROPOUT_BACKWARD:
            dropout_layer.dropout_backward(step, arena, tables)
