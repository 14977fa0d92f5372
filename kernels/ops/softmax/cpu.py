"""softmax and cross-entropy on the CPU: a thread per row."""

import math
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.jit import cpu_inline, cpu_kernel

Array = NDArray[Any]


@cpu_inline
def _largest(row: Array) -> Any:
    largest = row[0]
    for value in row[1:]:
        if value > largest:
            largest = value
    return largest


@cpu_inline
def _softmax_row(x: Array, y: Array) -> None:
    largest = _largest(x)
    total = y.dtype.type(0)
    for k in range(x.size):
        y[k] = math.exp(x[k] - largest)
        total += y[k]
    for k in range(x.size):
        y[k] /= total


@cpu_kernel
def softmax_cpu(x: Array, y: Array) -> None:
    """A thread computes whole rows."""
    for n in prange(x.shape[0]):
        _softmax_row(x[n], y[n])


@cpu_kernel
def softmax_backward_cpu(dy: Array, y: Array, dx: Array) -> None:
    """A thread computes whole rows."""
    for n in prange(y.shape[0]):
        total = dx.dtype.type(0)
        for k in range(y.shape[1]):
            total += dy[n, k] * y[n, k]
        for k in range(y.shape[1]):
            dx[n, k] = y[n, k] * (dy[n, k] - total)


@cpu_kernel
def cross_entropy_cpu(logits: Array, labels: Array, loss: Array) -> None:
    """A thread computes the losses of whole rows; they are added in the order of the rows, whatever the threads."""
    batch, classes = logits.shape
    losses = np.empty(batch, loss.dtype)
    for n in prange(batch):
        largest = _largest(logits[n])
        total = losses.dtype.type(0)  # not from loss: a parallel loop takes an array without axes for a scalar
        for k in range(classes):
            total += math.exp(logits[n, k] - largest)
        losses[n] = math.log(total) + (largest - logits[n, labels[n]])
    mean = loss.dtype.type(0)
    for value in losses:
        mean += value
    loss[()] = mean / loss.dtype.type(batch)


@cpu_kernel
def cross_entropy_backward_cpu(logits: Array, labels: Array, dlogits: Array) -> None:
    """A thread computes whole rows."""
    batch = dlogits.dtype.type(logits.shape[0])
    for n in prange(logits.shape[0]):
        row = dlogits[n]
        _softmax_row(logits[n], row)
        row[labels[n]] -= row.dtype.type(1)
        for k in range(row.size):
            row[k] /= batch
