"""ReLU on CUDA: a thread for four neighbouring elements, 16 bytes at a time, or for one; grid-stride."""

from typing import Any

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch
from kernels.simt.operands import is_aligned
from kernels.simt.tile import load, part, put, store

Array = NDArray[Any]

FOUR = 4


@cuda_kernel
def _forward(x: Array, y: Array) -> None:
    zero, i = y.dtype.type(0), uint64(cuda.grid(1))
    while i < uint64(x.size):
        value = x[i]
        y[i] = zero if value <= zero else value
        i += uint64(cuda.gridsize(1))


@cuda_kernel
def _forward_fours(x: Array, y: Array) -> None:
    zero, i = y.dtype.type(0), uint64(FOUR) * uint64(cuda.grid(1))
    while i < uint64(x.size):
        values = load(x, i, FOUR)
        for n in range(FOUR):
            if part(values, n, 1)[0] <= zero:
                values = put(values, n, zero)
        store(y, i, values)
        i += uint64(FOUR) * uint64(cuda.gridsize(1))


@cuda_kernel
def _backward(dy: Array, x: Array, dx: Array) -> None:
    zero, i = dx.dtype.type(0), uint64(cuda.grid(1))
    while i < uint64(x.size):
        dx[i] = zero if x[i] <= zero else dy[i]
        i += uint64(cuda.gridsize(1))


@cuda_kernel
def _backward_fours(dy: Array, x: Array, dx: Array) -> None:
    zero, i = dx.dtype.type(0), uint64(FOUR) * uint64(cuda.grid(1))
    while i < uint64(x.size):
        gradients, values = load(dy, i, FOUR), load(x, i, FOUR)
        for n in range(FOUR):
            if part(values, n, 1)[0] <= zero:
                gradients = put(gradients, n, zero)
        store(dx, i, gradients)
        i += uint64(FOUR) * uint64(cuda.gridsize(1))


def relu_cuda(x: Array, y: Array) -> None:
    """Compute y from x, of any shape."""
    if x.size % FOUR == 0 and is_aligned(x) and is_aligned(y):
        launch(_forward_fours, x.size // FOUR, x.reshape(x.size), y.reshape(x.size))
    else:
        launch(_forward, x.size, x.reshape(x.size), y.reshape(x.size))


def relu_backward_cuda(dy: Array, x: Array, dx: Array) -> None:
    """Compute dx from dy and x, of any shape."""
    given = dy.reshape(x.size), x.reshape(x.size), dx.reshape(x.size)
    if x.size % FOUR == 0 and all(map(is_aligned, (dy, x, dx))):
        launch(_backward_fours, x.size // FOUR, *given)
    else:
        launch(_backward, x.size, *given)
