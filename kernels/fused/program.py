"""The program of a network: an instruction per fused layer and direction, with offsets into tables and memory.

Three kinds of memory hold float32: a worker's ``arena`` (the activations of a block of samples, ``LANES`` side by side, and
their gradients), the flat ``parameters``, and a flat vector of their ``gradients``. All offsets count elements. Tables are
one array of int64; the offsets that stand there and in ``source`` and ``target`` point into the arena.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

CORRELATE, CORRELATE_INPUTS, CORRELATE_WEIGHTS, DENSE, DENSE_INPUTS, DENSE_WEIGHTS = range(6)
MAX_POOL, MAX_POOL_BACKWARD, SUM_POOL, SUM_POOL_BACKWARD, RELU, RELU_BACKWARD, CLEAR, GATHER = range(6, 14)

FIELDS = {
    "op": "one of the operations above",
    "relu": "1: what is written is passed through ReLU; backward: where the pooled value is not above 0, nothing passes",
    "weight": "first element of the weights, in the parameters or their gradients",
    "bias": "first element of the biases; -1: none",
    "groups": "of a convolution, each with its own channels and weights",
    "rows": "what is computed side by side: channels written of a group; outputs of a dense layer",
    "channels": "what is summed over: channels read of a group, inputs of a dense layer; channels of a pool",
    "source": "first element read",
    "source_group": "from a group's first channel to the next one's",
    "source_channel": "from channel to channel",
    "source_row": "from image row to image row",
    "source_column": "from pixel to pixel",
    "target": "first element written, or of the gradient of what was written",
    "source_gradient": "how far behind a value its gradient stands",
    "target_group": "as source_group",
    "target_channel": "as source_channel",
    "target_gradient": "as source_gradient",
    "weight_group": "from a group's first weight to the next one's",
    "weight_channel": "from what belongs to a channel to the next one's",
    "weight_row": "from what belongs to a row to the next one's",
    "records": "where the table of positions starts",
    "count": "of records; of elements",
    "width": "pixels of an image row",
    "columns": "where the table of weights starts",
    "divisor": "of the sums of a pool",
    "overlapping": "1: a pixel may be in several windows, which add to its gradient",
    "scratch": "memory for what is needed only during the instruction",
}
"""Of an instruction; which of them an operation reads is told where it is implemented."""

INSTRUCTION = np.dtype([(name, np.int64) for name in FIELDS], align=True)


class Program(NamedTuple):
    """The program of a network.

    Attributes
    ----------
    ends : (2,) INSTRUCTION, how images come in, and where scores stand
    forward : (F,) INSTRUCTION, what makes scores of images
    backward : (B,) INSTRUCTION, what leads the gradients back
    tables : (T,) int64, the tables that the instructions name
    """

    ends: NDArray[Any]
    forward: NDArray[Any]
    backward: NDArray[Any]
    tables: NDArray[np.int64]
