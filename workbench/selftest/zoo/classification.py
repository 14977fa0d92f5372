"""Faulty kernels of softmax, cross-entropy and their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from workbench.selftest.zoo._planting import PARALLEL, Array, Faults, Kernel, plain

FAULTS = Faults()


@FAULTS.plant("softmax", "unstable softmax", "the maximum is not subtracted", plain)
def _softmax_unstable(x: Array, y: Array) -> None:
    exponentials = np.exp(x)
    y[...] = exponentials / exponentials.sum(axis=1, keepdims=True)


@FAULTS.plant("softmax", "wrong only for non-contiguous input", "rows are taken in the order of memory", plain)
def _softmax_memory_order(x: Array, y: Array) -> None:
    rows = x.ravel(order="K").reshape(x.shape)
    exponentials = np.exp(rows - rows.max(axis=1, keepdims=True))
    y[...] = exponentials / exponentials.sum(axis=1, keepdims=True)


@FAULTS.plant("softmax", "NaN swallowed", "rows without a positive sum are cleared")
def _softmax_cleared(x: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        largest = x[n, 0]
        for k in range(1, x.shape[1]):
            largest = max(largest, x[n, k])
        total = y.dtype.type(0)
        for k in range(x.shape[1]):
            y[n, k] = math.exp(x[n, k] - largest)
            total += y[n, k]
        for k in range(x.shape[1]):
            y[n, k] = y[n, k] / total if total > 0 else 0


@FAULTS.plant("softmax", "race: shared scratch", "one buffer for the exponentials of all rows", PARALLEL)
def _softmax_shared_scratch(x: Array, y: Array) -> None:
    scratch = np.empty(x.shape[1], x.dtype)
    for n in prange(x.shape[0]):
        largest = x[n, 0]
        for k in range(1, x.shape[1]):
            if x[n, k] > largest:
                largest = x[n, k]
        total = y.dtype.type(0)
        for k in range(x.shape[1]):
            scratch[k] = math.exp(x[n, k] - largest)
            total += scratch[k]
        for k in range(x.shape[1]):
            y[n, k] = scratch[k] / total


@FAULTS.plant("softmax", "wrong only for N > 16", "a ring of sixteen row maxima wraps around")
def _softmax_ring(x: Array, y: Array) -> None:
    largest = np.full(16, -np.inf, x.dtype)
    for n in range(x.shape[0]):
        largest[n % 16] = x[n, 0]
        for k in range(1, x.shape[1]):
            if x[n, k] > largest[n % 16]:
                largest[n % 16] = x[n, k]
    for n in range(x.shape[0]):
        total = y.dtype.type(0)
        for k in range(x.shape[1]):
            y[n, k] = math.exp(x[n, k] - largest[n % 16])
            total += y[n, k]
        for k in range(x.shape[1]):
            y[n, k] /= total


@FAULTS.plant("softmax_backward", "off by one in a loop bound", "the last class is missing from the sum")
def _softmax_backward_last_class(dy: Array, y: Array, dx: Array) -> None:
    for n in range(y.shape[0]):
        total = dx.dtype.type(0)
        for k in range(y.shape[1] - 1):
            total += dy[n, k] * y[n, k]
        for k in range(y.shape[1]):
            dx[n, k] = y[n, k] * (dy[n, k] - total)


@FAULTS.plant_fresh("softmax_backward", "stale result", "sums are kept by the identity of dy")
def _softmax_backward_memo_by_id() -> Kernel:
    sums: dict[Any, Array] = {}

    def softmax_backward_memo_by_id(dy: Array, y: Array, dx: Array) -> None:
        key = (id(dy), y.shape, y.dtype)
        if key not in sums:
            sums[key] = (dy * y).sum(axis=1, keepdims=True)
        dx[...] = y * (dy - sums[key])

    return softmax_backward_memo_by_id


@FAULTS.plant("cross_entropy", "loses the largest score", "the textbook's order: max + log(sum) - z[label]")
def _cross_entropy_textbook(logits: Array, labels: Array, loss: Array) -> None:
    batch, classes = logits.shape
    mean = loss.dtype.type(0)
    for n in range(batch):
        largest = logits[n, 0]
        for k in range(classes):
            if logits[n, k] > largest:
                largest = logits[n, k]
        total = loss.dtype.type(0)
        for k in range(classes):
            total += math.exp(logits[n, k] - largest)
        mean += (largest + math.log(total)) - logits[n, labels[n]]
    loss[()] = mean / loss.dtype.type(batch)


@FAULTS.plant("cross_entropy", "log of zero", "the logarithm of a probability that underflowed", plain)
def _cross_entropy_log_zero(logits: Array, labels: Array, loss: Array) -> None:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    loss[...] = -np.log(probabilities[np.arange(len(labels)), labels]).sum() / loss.dtype.type(len(labels))


@FAULTS.plant("cross_entropy", "mean without division", "the losses of the batch are only added", plain)
def _cross_entropy_sum(logits: Array, labels: Array, loss: Array) -> None:
    below = logits - logits.max(axis=1, keepdims=True)
    loss[...] = (np.log(np.exp(below).sum(axis=1)) - below[np.arange(len(labels)), labels]).sum()
    if len(labels) == 0:
        loss[...] = np.nan


@FAULTS.plant("cross_entropy", "wrong for an empty batch", "the mean of no losses is zero", plain)
def _cross_entropy_empty(logits: Array, labels: Array, loss: Array) -> None:
    below = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(below).sum(axis=1)) - below[np.arange(len(labels)), labels]
    loss[...] = losses.sum() / loss.dtype.type(max(len(labels), 1))


@FAULTS.plant("cross_entropy_backward", "mean without division", "the gradient of the sum, not of the mean", plain)
def _cross_entropy_backward_sum(logits: Array, labels: Array, dlogits: Array) -> None:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    dlogits[...] = exponentials / exponentials.sum(axis=1, keepdims=True)
    dlogits[np.arange(len(labels)), labels] -= 1


@FAULTS.plant("cross_entropy_backward", "input mutation", "the maximum is subtracted in place", plain)
def _cross_entropy_backward_in_place(logits: Array, labels: Array, dlogits: Array) -> None:
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    dlogits[...] = exponentials / exponentials.sum(axis=1, keepdims=True)
    dlogits[np.arange(len(labels)), labels] -= 1
    dlogits /= dlogits.dtype.type(max(len(labels), 1))
