"""conv2d on CUDA: one thread per element of the result, in a grid-stride loop.

The gradients of weights and biases are sums of many terms: a block computes each, and adds up the sums of its threads in
pairs. No atomic operations: a result does not depend on scheduling.
"""

from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.indexing import valid_range, window_at
from kernels.compile.jit import cuda_device, cuda_kernel, launch, launch_blocks
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cuda.bias import backward_bias
from kernels.simt.block_sum import THREADS, sum_of_block

Array = NDArray[Any]


@cuda_kernel
def _forward(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2], x.shape[3]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    out_h, out_w = y.shape[2], y.shape[3]
    for index in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        j = index % out_w
        i = index // out_w % out_h
        o = index // (out_w * out_h) % channels_out
        n = index // (out_w * out_h * channels_out)
        channel = o // (channels_out // groups) * group_in
        top = i * stride[0] - padding[0][0]
        left = j * stride[1] - padding[1][0]
        first_p, last_p = valid_range(top, dilation[0], kernel_h, height)
        first_q, last_q = valid_range(left, dilation[1], kernel_w, width)
        total = b[o]
        for c in range(group_in):
            for p in range(first_p, last_p):
                for q in range(first_q, last_q):
                    total += w[o, c, p, q] * x[n, channel + c, top + p * dilation[0], left + q * dilation[1]]
        y[n, o, i, j] = total


@cuda_kernel
def _backward_data(dy: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array) -> None:
    channels_out, group_in, kernel_h, kernel_w = w.shape
    channels_in, height, width = dx.shape[1], dx.shape[2], dx.shape[3]
    out_h, out_w = dy.shape[2], dy.shape[3]
    group_out = channels_out // groups
    for index in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        col = index % width
        row = index // width % height
        channel = index // (width * height) % channels_in
        n = index // (width * height * channels_in)
        group = channel // group_in
        total = dx.dtype.type(0)
        for p in range(kernel_h):
            i = window_at(row + padding[0][0] - p * dilation[0], stride[0], out_h)
            if i < 0:
                continue
            for q in range(kernel_w):
                j = window_at(col + padding[1][0] - q * dilation[1], stride[1], out_w)
                if j < 0:
                    continue
                for o in range(group * group_out, (group + 1) * group_out):
                    total += dy[n, o, i, j] * w[o, channel % group_in, p, q]
        dx[n, channel, row, col] = total


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
    channels_out, group_in, kernel_h, kernel_w = dw.shape
    out_h, out_w = dy.shape[2], dy.shape[3]
    for index in range(cuda.blockIdx.x, dw.size, cuda.gridDim.x):
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
            n, i, j = _place(cuda.threadIdx.x, rows, cols)
            more_n, more_i, more_j = _place(cuda.blockDim.x, rows, cols)
            while n < batch:
                row, col = first_row + i, first + j
                total += dy[n, o, row, col] * x[n, channel, row * stride[0] + top, col * stride[1] + left]
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
            dw[o, c, p, q] = total


def conv2d_cuda(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """One thread per output, gathering its window."""
    launch(_forward, y.size, x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_cuda(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """One thread per input pixel, gathering what it contributed to."""
    launch(_backward_data, dx.size, dy, w, stride, padding, dilation, groups, dx)


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
    """One block per weight, and one per output channel for db."""
    launch_blocks(_backward_weights, dw.size, THREADS, dy, x, stride, padding, dilation, groups, dw)
    backward_bias(dy, db)
