"""The gradients of conv2d's filters and bias on CUDA, for few channels: sums of many terms, one for each weight.

A block computes each, or a part of it, and adds up the sums of its threads in pairs. No atomic operations: a result does not
depend on scheduling.
"""

from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.indexing import valid_range
from kernels.compile.jit import cuda_device, cuda_kernel, launch_blocks
from kernels.declare.shapes import Padding, Pair
from kernels.memory.scratch import scratch
from kernels.ops.conv2d.cuda.bias import backward_bias
from kernels.simt.block_sum import THREADS, sum_of_block
from kernels.simt.operands import add_parts

Array = NDArray[Any]

BLOCKS, LEAST_TERMS = 2048, 32 * THREADS
"""How many blocks the sums of all weights should be split between, to fill a large GPU, and the least terms of a part."""


@cuda_device
def _place(number: int, rows: int, cols: int) -> tuple[int, int, int]:
    """Return sample, row and column of an element in samples of so many rows and columns."""
    return number // (rows * cols), number // cols % rows, number % cols


@cuda_kernel
def _backward_weights(
    dy: Array, x: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dw: Array
) -> None:
    shared = cuda.shared.array(THREADS, dw.dtype)
    batch, height, width = x.shape[0], x.shape[2], x.shape[3]
    parts, channels_out, group_in, kernel_h, kernel_w = dw.shape
    out_h, out_w = dy.shape[2], dy.shape[3]
    for item in range(cuda.blockIdx.x, dw.size, cuda.gridDim.x):
        part, index = item % parts, item // parts
        q = index % kernel_w
        p = index // kernel_w % kernel_h
        c = index // (kernel_w * kernel_h) % group_in
        o = index // (kernel_w * kernel_h * group_in)
        channel = o // (channels_out // groups) * group_in + c
        top = p * dilation[0] - padding[0][0]
        left = q * dilation[1] - padding[1][0]
        first_row, last_row = valid_range(top, stride[0], out_h, height)
        first, last = valid_range(left, stride[1], out_w, width)
        total = dw.dtype.type(0)
        rows, cols = last_row - first_row, last - first
        if rows > 0 and cols > 0:
            own = (batch * rows * cols + parts - 1) // parts
            term, end = part * own + cuda.threadIdx.x, min(part * own + own, batch * rows * cols)
            n, i, j = _place(term, rows, cols)
            more_n, more_i, more_j = _place(cuda.blockDim.x, rows, cols)
            while term < end:
                row, col = first_row + i, first + j
                total += dy[n, o, row, col] * x[n, channel, row * stride[0] + top, col * stride[1] + left]
                term += cuda.blockDim.x
                n += more_n
                i += more_i
                j += more_j
                if j >= cols:
                    j -= cols
                    i += 1
                if i >= rows:
                    i -= rows
                    n += 1
        total = sum_of_block(total, shared)
        if cuda.threadIdx.x == 0:
            dw[part, o, c, p, q] = total


def conv2d_dw_cuda(
    dy: Array,
    x: Array,
    w: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    dw: Array,
    db: Array,
) -> None:
    """One block per weight or part of its sum, and one per output channel for db."""
    terms = dy.size // max(1, dy.shape[1])
    parts = max(1, min(BLOCKS // max(1, dw.size), terms // LEAST_TERMS))
    target = dw.reshape(dw.size) if parts == 1 else scratch(parts * dw.size, dw.dtype)
    given = dy, x, stride, padding, dilation, groups, target.reshape(parts, *dw.shape)
    launch_blocks(_backward_weights, parts * dw.size, THREADS, *given)
    if parts > 1:
        add_parts(target, parts, dw)
    backward_bias(dy, db)
