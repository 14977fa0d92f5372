"""softmax and cross-entropy, as loops.

softmax converts each row of scores to probabilities that sum to one. The largest score is subtracted first, which
changes nothing mathematically and keeps exp from overflowing:

    y[n,k]  = exp(x[n,k] - max_j x[n,j]) / sum_j exp(x[n,j] - max_j x[n,j])
    dx[n,k] = y[n,k] * (dy[n,k] - sum_j dy[n,j] * y[n,j])

cross-entropy is the mean over the batch of -log of the probability of the correct class; it includes softmax:

    loss         = mean_n [ log sum_j exp(z[n,j] - max) + sum_k q[n,k] * (max - z[n,k]) ]
    dlogits[n,k] = (softmax(z)[n,k] - q[n,k]) / N

The target q is 1 at the label and 0 elsewhere; with label smoothing s it is 1 - s + s/K at the label and s/K elsewhere.

Over an empty batch the mean is 0/0, NaN. The order of the terms matters: for large scores, max + log(sum) - z[label] loses
u*|max| and exceeds the bound, while log(sum) + (max - z[label]) loses nothing.

Sources: U. Karn, An Intuitive Explanation of Convolutional Neural Networks, "Fully Connected Layer"; C. Bishop, Pattern
Recognition and Machine Learning, section 4.3.4; C. Szegedy et al., Rethinking the Inception Architecture for Computer
Vision, CVPR 2016, section 7, for label smoothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def softmax_reference(x: Array, y: Array) -> None:
    """Compute y (N,K) from x (N,K)."""
    for n in range(x.shape[0]):
        largest = x[n, 0]
        for k in range(x.shape[1]):
            if x[n, k] > largest:
                largest = x[n, k]
        total = y.dtype.type(0)
        for k in range(x.shape[1]):
            y[n, k] = np.exp(x[n, k] - largest)
            total += y[n, k]
        for k in range(x.shape[1]):
            y[n, k] /= total


def softmax_backward_reference(dy: Array, y: Array, dx: Array) -> None:
    """Compute dx (N,K) from dy (N,K) and the output y (N,K) of softmax."""
    for n in range(y.shape[0]):
        total = dx.dtype.type(0)
        for k in range(y.shape[1]):
            total += dy[n, k] * y[n, k]
        for k in range(y.shape[1]):
            dx[n, k] = y[n, k] * (dy[n, k] - total)


def cross_entropy_reference(logits: Array, labels: Array, label_smoothing: float, loss: Array) -> None:
    """Compute the 0-d loss from logits (N,K) and labels (N,)."""
    batch, classes = logits.shape
    sharp, everywhere = loss.dtype.type(1 - label_smoothing), loss.dtype.type(label_smoothing / classes)
    loss[()] = 0 if batch > 0 else np.nan
    for n in range(batch):
        largest = logits[n, 0]
        for k in range(classes):
            if logits[n, k] > largest:
                largest = logits[n, k]
        total = loss.dtype.type(0)
        for k in range(classes):
            total += np.exp(logits[n, k] - largest)
        loss[()] += (np.log(total) + sharp * (largest - logits[n, labels[n]])) / batch
        if label_smoothing > 0:
            distance = loss.dtype.type(0)
            for k in range(classes):
                distance += largest - logits[n, k]
            loss[()] += everywhere * distance / batch


def cross_entropy_backward_reference(logits: Array, labels: Array, label_smoothing: float, dlogits: Array) -> None:
    """Compute dlogits (N,K) from logits (N,K) and labels (N,)."""
    batch, classes = logits.shape
    everywhere = label_smoothing / classes
    own, other = dlogits.dtype.type(1 - (label_smoothing - everywhere)), dlogits.dtype.type(everywhere)
    softmax_reference(logits, dlogits)
    for n in range(batch):
        for k in range(classes):
            dlogits[n, k] = (dlogits[n, k] - (own if k == labels[n] else other)) / batch
