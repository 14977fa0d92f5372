"""softmax and cross-entropy on CUDA: one thread per row, grid-stride.

What follows from the options alone is computed on the host: a GPU has few units for float64.
"""

import math
from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch

Array = NDArray[Any]


@cuda_kernel
def _softmax(x: Array, y: Array) -> None:
    classes = x.shape[1]
    for n in range(cuda.grid(1), x.shape[0], cuda.gridsize(1)):
        largest = x[n, 0]
        for k in range(1, classes):
            if x[n, k] > largest:
                largest = x[n, k]
        total = y.dtype.type(0)
        for k in range(classes):
            y[n, k] = math.exp(x[n, k] - largest)
            total += y[n, k]
        for k in range(classes):
            y[n, k] /= total


@cuda_kernel
def _softmax_backward(dy: Array, y: Array, dx: Array) -> None:
    classes = y.shape[1]
    for n in range(cuda.grid(1), y.shape[0], cuda.gridsize(1)):
        total = dx.dtype.type(0)
        for k in range(classes):
            total += dy[n, k] * y[n, k]
        for k in range(classes):
            dx[n, k] = y[n, k] * (dy[n, k] - total)


@cuda_kernel
def _row_losses(logits: Array, labels: Array, sharp: Any, everywhere: Any, losses: Array) -> None:
    classes = logits.shape[1]
    for n in range(cuda.grid(1), logits.shape[0], cuda.gridsize(1)):
        largest = logits[n, 0]
        for k in range(1, classes):
            if logits[n, k] > largest:
                largest = logits[n, k]
        total = losses.dtype.type(0)
        for k in range(classes):
            total += math.exp(logits[n, k] - largest)
        losses[n] = math.log(total) + sharp * (largest - logits[n, labels[n]])
        if everywhere > 0:
            distance = losses.dtype.type(0)
            for k in range(classes):
                distance += largest - logits[n, k]
            losses[n] += everywhere * distance


@cuda_kernel
def _mean(losses: Array, batch: int, loss: Array) -> None:
    if cuda.grid(1) == 0:
        total = loss.dtype.type(0)
        for n in range(batch):
            total += losses[n]
        loss[()] = total / loss.dtype.type(batch) if batch > 0 else loss.dtype.type(math.nan)


@cuda_kernel
def _subtract_labels(labels: Array, own: Any, other: Any, dlogits: Array) -> None:
    classes, batch = dlogits.shape[1], dlogits.dtype.type(dlogits.shape[0])
    for n in range(cuda.grid(1), dlogits.shape[0], cuda.gridsize(1)):
        for k in range(classes):
            dlogits[n, k] = (dlogits[n, k] - (own if k == labels[n] else other)) / batch


def softmax_cuda(x: Array, y: Array) -> None:
    """Compute y with one thread per row."""
    launch(_softmax, x.shape[0], x, y)


def softmax_backward_cuda(dy: Array, y: Array, dx: Array) -> None:
    """Compute dx with one thread per row."""
    launch(_softmax_backward, y.shape[0], dy, y, dx)


def cross_entropy_cuda(logits: Array, labels: Array, label_smoothing: float, loss: Array) -> None:
    """Compute the losses with one thread per row; one thread then adds them in row order."""
    batch, classes = logits.shape
    sharp, everywhere = loss.dtype.type(1 - label_smoothing), loss.dtype.type(label_smoothing / classes)
    losses = cuda.device_array(batch, loss.dtype)
    launch(_row_losses, batch, logits, labels, sharp, everywhere, losses)
    launch(_mean, 1, losses, batch, loss)


def cross_entropy_backward_cuda(logits: Array, labels: Array, label_smoothing: float, dlogits: Array) -> None:
    """Compute dlogits with one thread per row: softmax, from which the target is subtracted."""
    batch, classes = logits.shape
    everywhere = label_smoothing / classes
    own, other = dlogits.dtype.type(1 - (label_smoothing - everywhere)), dlogits.dtype.type(everywhere)
    launch(_softmax, batch, logits, dlogits)
    launch(_subtract_labels, batch, labels, own, other, dlogits)
