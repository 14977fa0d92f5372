"""The program of a network for a CUDA device: instructions as rows of integers, with offsets into the memory of a sample.

A block of threads runs the instructions for one sample at a time, one after the other, with a barrier in between. Every
sample has an ``arena`` of float32: the values of all layers, their gradients, and what the layers keep. Values lie as
channels, rows and columns; a value that the next layer pads has that padding around it, zeros that nobody writes, and so has
its gradient, where the backward pass of a convolution needs it.

A batch normalization needs sums over all samples of a batch. It cuts the program into phases: all samples run one before any
of them runs the next. After the last phase the parameters are updated, each by one thread, which adds what the samples
contribute to its gradient in their order.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

(
    IMAGES,
    CORRELATE,
    CORRELATE_INPUTS,
    CORRELATE_WEIGHTS,
    DENSE,
    DENSE_INPUTS,
    RELU,
    MAX_POOL,
    MAX_POOL_BACKWARD,
    SUM_POOL,
    SUM_POOL_BACKWARD,
    DROPOUT,
    DROPOUT_BACKWARD,
    STATISTICS,
    COMBINE,
    RUNNING,
    NORMALIZE,
    GRADIENT_SUMS,
    NORMALIZE_BACKWARD,
    LOSS,
    SCORES,
) = range(21)

FIELDS = {
    "op": "one of the operations above",
    "source": "the value that a layer reads: its first pixel",
    "source_row": "distance from row to row",
    "source_channel": "distance from channel to channel",
    "source_gradient": "distance from a value to its gradient",
    "target": "the value that a layer writes, or whose gradient it reads",
    "target_row": "as source_row",
    "target_channel": "as source_channel",
    "target_gradient": "as source_gradient",
    "channels": "channels of the source; of a convolution, of one group",
    "height": "rows of the source",
    "width": "columns of the source",
    "rows": "channels of the target; of a convolution, of one group",
    "out_h": "rows of the target",
    "out_w": "columns of the target",
    "groups": "groups of a convolution",
    "kernel_h": "rows of a window",
    "kernel_w": "columns of a window",
    "stride_h": "from window to window, in rows",
    "stride_w": "in columns",
    "top": "rows of padding above",
    "left": "columns of padding to the left",
    "dilation_h": "from tap to tap, in rows",
    "dilation_w": "in columns",
    "weight": "first element of the weights in the parameters",
    "bias": "first element of the biases",
    "partial": "first of what a sample contributes to the gradients of its weights, then of its biases",
    "relu": "1: apply ReLU to what is written",
    "masked": "1: no gradient where the source is not above 0, for it has gone through ReLU",
    "kept": "memory for what the backward pass needs, one number for each element",
    "sums": "of a normalization: first of the sums of a sample",
    "buffers": "of a normalization: first of its running statistics",
    "bordered": "of a convolution: 1 if its target's gradient has zeros around it wherever a tap of the source may look",
    "apart": "of a pool: 1 if every pixel is in one window",
    "layer": "of a dropout: the number of the layer, which tells apart what is drawn",
    "least": "of a dropout: the smallest random word of an element that is kept",
}
"""The fields of an instruction."""

(
    OP,
    SOURCE,
    SOURCE_ROW,
    SOURCE_CHANNEL,
    SOURCE_GRADIENT,
    TARGET,
    TARGET_ROW,
    TARGET_CHANNEL,
    TARGET_GRADIENT,
    CHANNELS,
    HEIGHT,
    WIDTH,
    ROWS,
    OUT_H,
    OUT_W,
    GROUPS,
    KERNEL_H,
    KERNEL_W,
    STRIDE_H,
    STRIDE_W,
    TOP,
    LEFT,
    DILATION_H,
    DILATION_W,
    WEIGHT,
    BIAS,
    PARTIAL,
    RELU_AFTER,
    MASKED,
    KEPT,
    SUMS,
    BUFFERS,
    BORDERED,
    APART,
    LAYER,
    LEAST,
) = range(len(FIELDS))

PARTS, PRODUCTS, GRADIENTS = range(3)
"""How the gradients of a run of parameters are summed over the samples: from the samples' contributions; the products of a
gradient and a value; gradients."""

RUN_FIELDS = {
    "kind": "one of the three above",
    "first": "the first parameter",
    "count": "the number of parameters",
    "columns": "of products: how many values each gradient is multiplied with",
    "at": "the first contribution, or gradient in the arena",
    "values": "of products: the first value in the arena",
}
"""The fields of a run of parameters."""

KIND, FIRST, COUNT, COLUMNS, AT, VALUES = range(len(RUN_FIELDS))


class DeviceProgram(NamedTuple):
    """The program of a network.

    Attributes
    ----------
    instructions : (I, fields) uint64
    factors : (I,) float32: of a normalization, what is added to the variance; of a dropout and an average, a factor
    ends : (P,) int64, the end of every phase
    runs : (R, run fields) uint64, which parameters' gradients are summed how
    arena, partials, sums : float32 that a sample needs of each
    """

    instructions: NDArray[np.uint64]
    factors: NDArray[np.float32]
    ends: NDArray[np.int64]
    runs: NDArray[np.uint64]
    arena: int
    partials: int
    sums: int


class Sample(NamedTuple):
    """What instructions know about the sample that they work on, besides its memory.

    Attributes
    ----------
    number, batch : of the sample in its batch, and the samples of the batch
    image : the number of the image
    low, high : the seed of the training, two words
    taken : the number of steps taken before
    """

    number: int
    batch: int
    image: int
    low: int
    high: int
    taken: int


Program = Any
