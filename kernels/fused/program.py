"""The program of a network: one instruction per fused layer and direction, with offsets into tables and memory.

Three kinds of memory hold float32: an ``arena`` (the activations of a block of samples, ``LANES`` side by side, and their
gradients), the flat ``parameters``, and a flat vector of their ``gradients``. All offsets count elements. Tables are one
array of int64; the offsets in it and in ``source`` and ``target`` point into the arena.

A batch normalization needs sums over all blocks of a batch. It cuts the program into segments: all blocks run one, writing
their ``sums``, before any of them runs the next. Every block then has an arena of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

CORRELATE, CORRELATE_INPUTS, CORRELATE_WEIGHTS, DENSE, DENSE_INPUTS, DENSE_WEIGHTS = range(6)
MAX_POOL, MAX_POOL_BACKWARD, SUM_POOL, SUM_POOL_BACKWARD, RELU, RELU_BACKWARD, CLEAR, GATHER = range(6, 14)
STATISTICS, COMBINE, RUNNING, NORMALIZE, NORMALIZED_MAX_POOL, NORMALIZED_MAX_POOL_BACKWARD = range(14, 20)
GRADIENT_SUMS, NORMALIZE_BACKWARD, NORMALIZED_GRADIENT_SUMS, DROPOUT, DROPOUT_BACKWARD = range(20, 25)

FIELDS = {
    "op": "one of the operations above",
    "relu": "1: apply ReLU to what is written; backward: pass no gradient where the pooled value is not above 0",
    "weight": "first element of the weights, in the parameters or their gradients",
    "bias": "first element of the biases; -1 for none",
    "groups": "groups of a convolution, each with its own channels and weights",
    "rows": "rows computed together: output channels of a group; outputs of a dense layer",
    "channels": "channels to sum over: input channels of a group, inputs of a dense layer; channels of a pool",
    "source": "first element read",
    "source_group": "distance from a group's first channel to the next group's",
    "source_channel": "distance from channel to channel",
    "source_row": "distance from image row to image row",
    "source_column": "distance from pixel to pixel",
    "target": "first element written, or of the gradient of the output",
    "source_gradient": "distance from a value to its gradient",
    "target_group": "as source_group",
    "target_channel": "as source_channel",
    "target_gradient": "as source_gradient",
    "weight_group": "distance from a group's first weight to the next group's",
    "weight_channel": "distance from a channel's weights to the next channel's",
    "weight_row": "distance from a row's weights to the next row's",
    "records": "start of the table of positions",
    "count": "number of records, or of elements",
    "width": "pixels of an image row",
    "columns": "start of the table of weights",
    "divisor": "divisor of the sums of a pool",
    "overlapping": "1: a pixel may be in several windows, which add to its gradient",
    "scratch": "start of temporary memory of the instruction",
    "factors": "of a normalization: first of what its channels are normalized with, in the arena",
    "pixels": "of a normalization: the pixels of a channel",
    "sums": "of a normalization: first of its sums over a block",
    "buffers": "of a normalization: first of its running statistics",
    "layer": "of a dropout: the number of the layer, which tells apart what is drawn",
    "least": "of a dropout: the smallest random word of an element that is kept",
}
"""The fields of an instruction; each operation documents those that it reads."""

NUMBERS = {
    "epsilon": "of a normalization: what is added to the variance",
    "factor": "of a dropout: what kept elements are multiplied by",
}
"""The fields that are not integers."""

INSTRUCTION = np.dtype([(name, np.int64) for name in FIELDS] + [(name, np.float64) for name in NUMBERS], align=True)


class Program(NamedTuple):
    """The program of a network.

    Attributes
    ----------
    ends : (2,) INSTRUCTION, how images are loaded, and where the scores are
    forward : (F,) INSTRUCTION, from images to scores
    backward : (B,) INSTRUCTION, from the gradients of the scores back to those of the parameters
    tables : (T,) int64, the tables that the instructions refer to
    forward_ends, backward_ends : (S,) int64, the end of every segment: the first instruction that does not belong to it
    """

    ends: NDArray[Any]
    forward: NDArray[Any]
    backward: NDArray[Any]
    tables: NDArray[np.int64]
    forward_ends: NDArray[np.int64]
    backward_ends: NDArray[np.int64]


class Block(NamedTuple):
    """What instructions know about the block of samples that they work on, besides its values.

    Attributes
    ----------
    number : of the block, in its batch
    samples : in the block; lanes after them are absent
    batch : samples of the batch
    sums : (blocks or more, sums) float32, those of every block; see ``normalization``
    buffers : flat float32, the running statistics of all normalizations
    momentum : the share that a batch gets in them; 0 leaves them as they are
    low, high : the seed of the training, two words
    taken : the number of steps taken before
    """

    number: int
    samples: int
    batch: int
    sums: NDArray[np.float32]
    buffers: NDArray[np.float32]
    momentum: float
    low: int
    high: int
    taken: int
