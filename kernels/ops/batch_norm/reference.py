"""Batch normalization, as loops.

Every channel c is brought to mean 0 and variance 1 over the m values that it has in the batch, one for each sample, row and
column; then it is scaled and shifted:

    mean[c]    = sum of x / m
    var[c]     = sum of (x - mean[c])**2 / m          (biased: divided by m, not by m - 1)
    y[n,c,i,j] = w[c] * (x[n,c,i,j] - mean[c]) / sqrt(var[c] + epsilon) + b[c]

Inference takes mean and var from elsewhere, and computes only the last line. The gradients follow from the chain rule; with
z = (x - mean) / sqrt(var + epsilon), and all sums over the m values of a channel,

    db = sum of dy
    dw = sum of dy * z
    dx = w / sqrt(var + epsilon) * (dy - db / m - z * dw / m)

Without values, m = 0, the mean and the variance are 0/0, NaN.

The mean is subtracted before values are squared: the shorter sum of x**2 / m - mean**2 loses all digits where the mean is
large compared with the deviations.

Source: S. Ioffe and C. Szegedy, Batch normalization: accelerating deep network training by reducing internal covariate
shift, ICML 2015, algorithm 1 and section 3.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def batch_norm_reference(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Compute y (N,C,H,W), mean (C,) and var (C,) from x (N,C,H,W), w (C,) and b (C,)."""
    count = x.shape[0] * x.shape[2] * x.shape[3]
    mean[...] = 0
    var[...] = 0
    for c in range(x.shape[1]):
        for n in range(x.shape[0]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    mean[c] += x[n, c, i, j]
        mean[c] /= count
        for n in range(x.shape[0]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    var[c] += (x[n, c, i, j] - mean[c]) ** 2
        var[c] /= count
        deviation = np.sqrt(var[c] + epsilon)
        for n in range(x.shape[0]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    y[n, c, i, j] = w[c] * (x[n, c, i, j] - mean[c]) / deviation + b[c]


def batch_norm_inference_reference(
    x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array
) -> None:
    """Compute y (N,C,H,W) from x (N,C,H,W) and w, b, mean and var (C,)."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    y[n, c, i, j] = w[c] * (x[n, c, i, j] - mean[c]) / np.sqrt(var[c] + epsilon) + b[c]


def batch_norm_inference_shifted(
    x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array
) -> None:
    """Compute y like ``batch_norm_inference_reference``, as x * scale + shift: an infinite weight makes NaN."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            scale = w[c] / np.sqrt(var[c] + epsilon)
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    y[n, c, i, j] = x[n, c, i, j] * scale + (b[c] - mean[c] * scale)


def batch_norm_shifted(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Compute as ``batch_norm_reference``, and y as x * scale + shift."""
    batch_norm_reference(x, w, b, epsilon, y, mean, var)
    batch_norm_inference_shifted(x, w, b, mean, var, epsilon, y)


def batch_norm_updated(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Compute as ``batch_norm_reference``, with a mean updated with every value (Welford): an infinity makes it NaN."""
    batch_norm_reference(x, w, b, epsilon, y, mean, var)
    for c in range(x.shape[1]):
        if not np.isfinite(mean[c]):
            mean[c] = np.nan


def batch_norm_backward_reference(
    dy: Array, x: Array, w: Array, mean: Array, var: Array, epsilon: float, dx: Array, dw: Array, db: Array
) -> None:
    """Compute dx (N,C,H,W), dw (C,) and db (C,) from dy, x (N,C,H,W), w (C,) and the mean and var (C,) of x."""
    count = x.shape[0] * x.shape[2] * x.shape[3]
    dw[...] = 0
    db[...] = 0
    for c in range(x.shape[1]):
        deviation = np.sqrt(var[c] + epsilon)
        for n in range(x.shape[0]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    db[c] += dy[n, c, i, j]
                    dw[c] += dy[n, c, i, j] * (x[n, c, i, j] - mean[c]) / deviation
        for n in range(x.shape[0]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    z = (x[n, c, i, j] - mean[c]) / deviation
                    dx[n, c, i, j] = w[c] / deviation * (dy[n, c, i, j] - db[c] / count - z * dw[c] / count)
