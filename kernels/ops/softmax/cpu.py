"""softmax and cross-entropy on the CPU: threads take blocks of rows, lanes run along a row.

A row is processed in steps of one or four vectors: one if the row is no longer than that, otherwise four, so that sums and
maxima do not wait for the previous step. The remainder of a row is a step in which only the first lanes count.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.compile.partition import unit_count, unit_range
from kernels.simd.tile import add, lanes, load, load_first, scale, steps, store, store_first, zeros
from kernels.simd.vector_math import exp, keep_first, larger, largest_of, multiply, shift, sum_of

Array = NDArray[Any]
RowFunction = Callable[..., Any]
"""A function of flat arrays, the start of a row in them, its size, and further arguments."""

LOWEST = -math.inf


def _largest_in_row(columns: int) -> RowFunction:
    @cpu_core
    def largest_in_row(x: Array, start: int, size: int) -> Any:
        """Return the largest element; NaN if there is a NaN."""
        places = steps(columns, 0, lanes(x))
        step = columns * lanes(x)
        whole = start + size // step * step
        largest = shift(zeros((0,), places, x), LOWEST)
        for k in range(start, whole, step):
            largest = larger(largest, load(x, (k,), places))
        if whole < start + size:
            left = start + size - whole
            largest = larger(largest, keep_first(load_first(x, (whole,), places, left), left, LOWEST))
        return largest_of(largest)

    return largest_in_row


def _add_exponentials(columns: int, *, keep: bool) -> RowFunction:
    @cpu_core
    def add_exponentials(x: Array, start: int, size: int, largest: Any, y: Array) -> Any:
        """Return the sum of exp(x - largest) over the row; with ``keep``, the terms are stored in y."""
        places = steps(columns, 0, lanes(x))
        step = columns * lanes(x)
        whole = start + size // step * step
        total = zeros((0,), places, x)
        for k in range(start, whole, step):
            each = exp(shift(load(x, (k,), places), -largest))
            if keep:
                store(each, y, (k,), places)
            total = add(total, each)
        if whole < start + size:
            left = start + size - whole
            each = exp(shift(load_first(x, (whole,), places, left), -largest))
            if keep:
                store_first(each, y, (whole,), places, left)
            total = add(total, keep_first(each, left, 0.0))
        return sum_of(total)

    return add_exponentials


def _scale_row(columns: int) -> RowFunction:
    @cpu_core
    def scale_row(y: Array, start: int, size: int, factor: Any) -> None:
        """Multiply a row in place."""
        places = steps(columns, 0, lanes(y))
        step = columns * lanes(y)
        whole = start + size // step * step
        for k in range(start, whole, step):
            store(scale(load(y, (k,), places), factor), y, (k,), places)
        if whole < start + size:
            left = start + size - whole
            store_first(scale(load_first(y, (whole,), places, left), factor), y, (whole,), places, left)

    return scale_row


def _differentiate_row(columns: int) -> RowFunction:
    @cpu_core
    def differentiate_row(dy: Array, y: Array, start: int, size: int, dx: Array) -> None:
        """Compute a row of dx of softmax."""
        places = steps(columns, 0, lanes(dx))
        step = columns * lanes(dx)
        whole = start + size // step * step
        left = start + size - whole
        total = zeros((0,), places, dx)
        for k in range(start, whole, step):
            total = add(total, multiply(load(dy, (k,), places), load(y, (k,), places)))
        if left > 0:
            total = add(total, multiply(load_first(dy, (whole,), places, left), load_first(y, (whole,), places, left)))
        mean = sum_of(total)
        for k in range(start, whole, step):
            store(multiply(load(y, (k,), places), shift(load(dy, (k,), places), -mean)), dx, (k,), places)
        if left > 0:
            gradient = shift(load_first(dy, (whole,), places, left), -mean)
            store_first(multiply(load_first(y, (whole,), places, left), gradient), dx, (whole,), places, left)

    return differentiate_row


_largest_1, _largest_4 = _largest_in_row(1), _largest_in_row(4)
_sum_1, _sum_4 = _add_exponentials(1, keep=False), _add_exponentials(4, keep=False)
_keep_1, _keep_4 = _add_exponentials(1, keep=True), _add_exponentials(4, keep=True)
_scale_1, _scale_4 = _scale_row(1), _scale_row(4)
_differentiate_1, _differentiate_4 = _differentiate_row(1), _differentiate_row(4)


@cpu_core
def _exponentials_of_row(x: Array, start: int, size: int, y: Array) -> Any:
    """Store exp(x - max) in a row of y, and return the sum."""
    if size <= lanes(x):
        return _keep_1(x, start, size, _largest_1(x, start, size), y)
    return _keep_4(x, start, size, _largest_4(x, start, size), y)


@cpu_core
def _scale(y: Array, start: int, size: int, factor: Any) -> None:
    if size <= lanes(y):
        _scale_1(y, start, size, factor)
    else:
        _scale_4(y, start, size, factor)


@cpu_kernel
def softmax_cpu(x: Array, y: Array) -> None:
    """Compute y: the maximum, the exponentials and their sum, the quotients. A row stays in the L1 cache."""
    rows, classes = x.shape
    source, target = x.reshape(x.size), y.reshape(y.size)
    one = y.dtype.type(1)
    row_bytes = classes * x.itemsize
    for unit in prange(unit_count(rows, row_bytes)):
        first, end = unit_range(unit, rows, row_bytes)
        for n in range(first, end):
            total = _exponentials_of_row(source, n * classes, classes, target)
            _scale(target, n * classes, classes, one / total)


@cpu_kernel
def softmax_backward_cpu(dy: Array, y: Array, dx: Array) -> None:
    """Compute dx: the sum of dy*y, then the differences. A row stays in the L1 cache."""
    rows, classes = y.shape
    gradient, source, target = dy.reshape(y.size), y.reshape(y.size), dx.reshape(y.size)
    row_bytes = classes * y.itemsize
    for unit in prange(unit_count(rows, row_bytes)):
        first, end = unit_range(unit, rows, row_bytes)
        for n in range(first, end):
            if classes <= lanes(source):
                _differentiate_1(gradient, source, n * classes, classes, target)
            else:
                _differentiate_4(gradient, source, n * classes, classes, target)


@cpu_core
def _row_loss(x: Array, start: int, size: int, label: int, sharp: Any) -> Any:
    if size <= lanes(x):
        largest = _largest_1(x, start, size)
        total = _sum_1(x, start, size, largest, x)
    else:
        largest = _largest_4(x, start, size)
        total = _sum_4(x, start, size, largest, x)
    return math.log(total) + sharp * (largest - x[start + label])


@cpu_core
def _distances(x: Array, start: int, size: int) -> Any:
    """Return the sum of the distances of a row's elements from the largest."""
    largest = _largest_1(x, start, size) if size <= lanes(x) else _largest_4(x, start, size)
    total = x.dtype.type(0)
    for k in range(start, start + size):
        total += largest - x[k]
    return total


@cpu_kernel
def cross_entropy_cpu(logits: Array, labels: Array, label_smoothing: float, loss: Array) -> None:
    """Compute the loss; the losses of the rows are added in row order, whatever the number of threads."""
    rows, classes = logits.shape
    source = logits.reshape(logits.size)
    losses = np.empty(rows, loss.dtype)
    sharp, everywhere = loss.dtype.type(1 - label_smoothing), loss.dtype.type(label_smoothing / classes)
    row_bytes = classes * logits.itemsize
    for unit in prange(unit_count(rows, row_bytes)):
        first, end = unit_range(unit, rows, row_bytes)
        for n in range(first, end):
            losses[n] = _row_loss(source, n * classes, classes, labels[n], sharp)
            if label_smoothing > 0:
                losses[n] += everywhere * _distances(source, n * classes, classes)
    mean = loss.dtype.type(0)
    for value in losses:
        mean += value
    loss[()] = mean / loss.dtype.type(rows)


@cpu_kernel
def cross_entropy_backward_cpu(logits: Array, labels: Array, label_smoothing: float, dlogits: Array) -> None:
    """Compute dlogits: softmax divided by the number of rows; the element of the label is computed separately."""
    rows, classes = logits.shape
    source, target = logits.reshape(logits.size), dlogits.reshape(logits.size)
    one, batch = dlogits.dtype.type(1), dlogits.dtype.type(rows)
    everywhere = label_smoothing / classes
    own, other = dlogits.dtype.type(1 - (label_smoothing - everywhere)), dlogits.dtype.type(everywhere)
    row_bytes = classes * logits.itemsize
    for unit in prange(unit_count(rows, row_bytes)):
        first, end = unit_range(unit, rows, row_bytes)
        for n in range(first, end):
            start = n * classes
            total = _exponentials_of_row(source, start, classes, target)
            picked = target[start + labels[n]] / total
            _scale(target, start, classes, one / total / batch)
            if label_smoothing > 0:
                for k in range(start, start + classes):
                    target[k] -= other / batch
            target[start + labels[n]] = (picked - own) / batch
