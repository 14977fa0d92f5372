"""Right kernels of softmax, cross-entropy and their gradients."""

import math
from typing import Any

import numpy as np

from workbench.selftest.variants._compiling import Array, Kernel, Other, compiled
from workbench.selftest.variants.orders import Order, Summing, backwards, in_double, pairwise


def _softmax(order: Order) -> Kernel:
    @compiled
    def softmax(x: Array, y: Array) -> None:
        """Multiply by the reciprocal: K - 1 additions and two more roundings, as many as the bound allows."""
        terms = np.empty(x.shape[1], x.dtype)
        for n in range(x.shape[0]):
            largest = _largest(x[n])
            for k in range(x.shape[1]):
                terms[k] = math.exp(x[n, k] - largest)
                y[n, k] = terms[k]
            factor = x.dtype.type(1) / order(terms)
            for k in range(x.shape[1]):
                y[n, k] *= factor

    return softmax


def _softmax_backward(order: Order) -> Kernel:
    @compiled
    def softmax_backward(dy: Array, y: Array, dx: Array) -> None:
        terms = np.empty(y.shape[1], y.dtype)
        for n in range(y.shape[0]):
            for k in range(y.shape[1]):
                terms[k] = dy[n, k] * y[n, k]
            total = order(terms)
            for k in range(y.shape[1]):
                dx[n, k] = y[n, k] * (dy[n, k] - total)

    return softmax_backward


def _cross_entropy(order: Order) -> Kernel:
    @compiled
    def cross_entropy(logits: Array, labels: Array, label_smoothing: float, loss: Array) -> None:
        """Compute log(sum) - (z - max), add distances and losses in the same order, multiply by 1/N."""
        batch, classes = logits.shape
        sharp, everywhere = logits.dtype.type(1 - label_smoothing), logits.dtype.type(label_smoothing / classes)
        terms = np.empty(classes, logits.dtype)
        losses = np.empty(batch, logits.dtype)
        for n in range(batch):
            largest = _largest(logits[n])
            for k in range(classes):
                terms[k] = math.exp(logits[n, k] - largest)
            losses[n] = math.log(order(terms)) - sharp * (logits[n, labels[n]] - largest)
            if label_smoothing > 0:
                for k in range(classes):
                    terms[k] = largest - logits[n, k]
                losses[n] += everywhere * order(terms)
        loss[()] = order(losses) * (logits.dtype.type(1) / logits.dtype.type(batch))

    return cross_entropy


def _cross_entropy_backward(order: Order) -> Kernel:
    @compiled
    def cross_entropy_backward(logits: Array, labels: Array, label_smoothing: float, dlogits: Array) -> None:
        batch, classes = logits.shape
        terms = np.empty(classes, logits.dtype)
        share = logits.dtype.type(1) / logits.dtype.type(batch)
        other = logits.dtype.type(label_smoothing / classes)
        own = other + logits.dtype.type(1 - label_smoothing)
        for n in range(batch):
            largest = _largest(logits[n])
            for k in range(classes):
                terms[k] = math.exp(logits[n, k] - largest)
                dlogits[n, k] = terms[k]
            total = order(terms)
            for k in range(classes):
                target = own if k == labels[n] else other
                dlogits[n, k] = (dlogits[n, k] / total - target) * share

    return cross_entropy_backward


@compiled
def _largest(row: Array) -> Any:
    largest = row[0]
    for value in row[1:]:
        if value > largest:
            largest = value
    return largest


@compiled
def _softmax_streaming(x: Array, y: Array) -> None:
    """Keep a running maximum and sum; rescale the sum when the maximum grows.

    The differences of successive maxima add up to the distance from the last one, so the shift of the exponents is that
    of the other forms. Every rescaling adds the roundings of an exponential and a product; there are few of them unless a
    row ascends, and the exponential of the C library errs by far less than the four ulp that the bound has room for.
    """
    for n in range(x.shape[0]):
        largest = x.dtype.type(-np.inf)
        total = x.dtype.type(0)
        for k in range(x.shape[1]):
            value = x[n, k]
            if value > largest:
                total = total * x.dtype.type(math.exp(largest - value)) + x.dtype.type(1)
                largest = value
            elif value != -np.inf:
                total += math.exp(value - largest)
        if largest == np.inf:
            total = x.dtype.type(np.nan)
        for k in range(x.shape[1]):
            y[n, k] = math.exp(x[n, k] - largest) / total


def _softmax_passes(x: Array, y: Array) -> None:
    """Compute on whole arrays, with NumPy's exponential and pairwise sum."""
    np.exp(x - x.max(axis=1, keepdims=True), out=y)
    y /= y.sum(axis=1, keepdims=True)


@compiled
def _softmax_backward_centred(dy: Array, y: Array, dx: Array) -> None:
    """Write the differences first, then multiply in place."""
    for n in range(y.shape[0]):
        total = y.dtype.type(0)
        for k in range(y.shape[1] - 1, -1, -1):
            total += y[n, k] * dy[n, k]
        for k in range(y.shape[1]):
            dx[n, k] = dy[n, k] - total
        for k in range(y.shape[1]):
            dx[n, k] *= y[n, k]


@compiled
def _cross_entropy_log1p(logits: Array, labels: Array, label_smoothing: float, loss: Array) -> None:
    """Leave the largest score's exponential, 1, out of the sum: log1p(rest). The mean adds each loss divided by N."""
    batch, everywhere = loss.dtype.type(logits.shape[0]), loss.dtype.type(label_smoothing / logits.shape[1])
    sharp = loss.dtype.type(1 - label_smoothing)
    mean = loss.dtype.type(0)
    for n in range(logits.shape[0]):
        place = 0
        for k in range(1, logits.shape[1]):
            if logits[n, k] > logits[n, place]:
                place = k
        largest = logits[n, place]
        rest = largest - largest  # zero, or NaN for an infinite one
        for k in range(logits.shape[1]):
            if k != place:
                rest += math.exp(logits[n, k] - largest)
        total = math.log1p(rest) + sharp * (largest - logits[n, labels[n]])
        if label_smoothing > 0:
            for k in range(logits.shape[1]):
                total += everywhere * (largest - logits[n, k])
        mean += total / batch
    loss[()] = mean if logits.shape[0] > 0 else loss.dtype.type(np.nan)


def _cross_entropy_backward_passes(logits: Array, labels: Array, label_smoothing: float, dlogits: Array) -> None:
    """Divide the probabilities by N first, then subtract s/K/N everywhere, and (1 - s)/N at the label.

    Near a probability of one the difference cancels, by what the bound of the probability has room for.
    """
    np.exp(logits - logits.max(axis=1, keepdims=True), out=dlogits)
    dlogits /= dlogits.sum(axis=1, keepdims=True)
    share = dlogits.dtype.type(1) / dlogits.dtype.type(max(len(labels), 1))
    dlogits *= share
    dlogits -= dlogits.dtype.type(label_smoothing / logits.shape[1]) * share
    dlogits[np.arange(len(labels)), labels] -= dlogits.dtype.type(1 - label_smoothing) * share


SUMMING: tuple[Summing, ...] = (
    ("softmax", _softmax, (pairwise, in_double)),
    ("softmax_backward", _softmax_backward, (backwards, in_double)),
    ("cross_entropy", _cross_entropy, (pairwise, in_double)),
    ("cross_entropy_backward", _cross_entropy_backward, (pairwise, in_double)),
)
OTHERS: tuple[Other, ...] = (
    ("softmax", "streaming", _softmax_streaming),
    ("softmax", "in passes", _softmax_passes),
    ("softmax_backward", "differences first", _softmax_backward_centred),
    ("cross_entropy", "log1p", _cross_entropy_log1p),
    ("cross_entropy_backward", "in passes, divided before the label is subtracted", _cross_entropy_backward_passes),
)
