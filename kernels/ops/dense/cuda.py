"""dense on CUDA: one thread per element of the result, grid-stride."""

from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch

Array = NDArray[Any]


@cuda_kernel
def _forward(x: Array, w: Array, b: Array, y: Array) -> None:
    features, outputs = x.shape[1], w.shape[0]
    for index in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        m = index % outputs
        n = index // outputs
        total = b[m]
        for k in range(features):
            total += w[m, k] * x[n, k]
        y[n, m] = total


@cuda_kernel
def _backward_data(dy: Array, w: Array, dx: Array) -> None:
    outputs, features = w.shape
    for index in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        k = index % features
        n = index // features
        total = dx.dtype.type(0)
        for m in range(outputs):
            total += dy[n, m] * w[m, k]
        dx[n, k] = total


@cuda_kernel
def _backward_weights(dy: Array, x: Array, dw: Array) -> None:
    batch, features = x.shape
    for index in range(cuda.grid(1), dw.size, cuda.gridsize(1)):
        k = index % features
        m = index // features
        total = dw.dtype.type(0)
        for n in range(batch):
            total += dy[n, m] * x[n, k]
        dw[m, k] = total


@cuda_kernel
def _backward_bias(dy: Array, db: Array) -> None:
    for m in range(cuda.grid(1), db.size, cuda.gridsize(1)):
        total = db.dtype.type(0)
        for n in range(dy.shape[0]):
            total += dy[n, m]
        db[m] = total


def dense_cuda(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y with one thread per output."""
    launch(_forward, y.size, x, w, b, y)


def dense_backward_cuda(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    """Compute dx, dw and db in three launches, with one thread per element."""
    launch(_backward_data, dx.size, dy, w, dx)
    launch(_backward_weights, dw.size, dy, x, dw)
    launch(_backward_bias, db.size, dy, db)
