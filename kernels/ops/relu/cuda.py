"""relu on CUDA: one thread per element, grid-stride."""

from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch

Array = NDArray[Any]


@cuda_kernel
def _forward(x: Array, y: Array) -> None:
    zero = y.dtype.type(0)
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = zero if x[i] <= zero else x[i]


@cuda_kernel
def _backward(dy: Array, x: Array, dx: Array) -> None:
    zero = dx.dtype.type(0)
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        dx[i] = zero if x[i] <= zero else dy[i]


def relu_cuda(x: Array, y: Array) -> None:
    """Compute y from x, of any shape."""
    launch(_forward, x.size, x.reshape(x.size), y.reshape(y.size))


def relu_backward_cuda(dy: Array, x: Array, dx: Array) -> None:
    """Compute dx from dy and x, of any shape."""
    launch(_backward, x.size, dy.reshape(x.size), x.reshape(x.size), dx.reshape(x.size))
