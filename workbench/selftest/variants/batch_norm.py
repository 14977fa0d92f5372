"""Right kernels of batch normalization and its gradients."""

from typing import Any

import numpy as np

from workbench.selftest.variants._compiling import Array, Kernel, Other, compiled, with_fma
from workbench.selftest.variants.orders import Order, Summing, backwards, in_double, pairwise


def _batch_norm(order: Order) -> Kernel:
    @compiled
    def batch_norm(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
        """Multiply by 1/m, and by the reciprocal of the deviation."""
        samples, channels, height, width = x.shape
        terms = np.empty(samples * height * width, x.dtype)
        share = x.dtype.type(1) / x.dtype.type(terms.size)
        for c in range(channels):
            values = x[:, c].copy().reshape(terms.size)
            terms[:] = values
            mean[c] = order(terms[:]) * share if terms.size else x.dtype.type(np.nan)
            terms[:] = values - mean[c]
            terms[:] *= terms
            var[c] = order(terms[:]) * share if terms.size else x.dtype.type(np.nan)
            factor = x.dtype.type(1) / np.sqrt(var[c] + x.dtype.type(epsilon))
            y[:, c] = (x[:, c] - mean[c]) * factor * w[c] + b[c]

    return batch_norm


def _batch_norm_backward(order: Order) -> Kernel:
    @compiled
    def batch_norm_backward(
        dy: Array, x: Array, w: Array, mean: Array, var: Array, epsilon: float, dx: Array, dw: Array, db: Array
    ) -> None:
        samples, channels, height, width = x.shape
        terms = np.empty(samples * height * width, x.dtype)
        count = x.dtype.type(terms.size)
        for c in range(channels):
            deviation = np.sqrt(var[c] + x.dtype.type(epsilon))
            z = (x[:, c] - mean[c]) / deviation
            terms[:] = dy[:, c].copy().reshape(terms.size)
            db[c] = order(terms[:])
            terms[:] = (dy[:, c] * z).reshape(terms.size)
            dw[c] = order(terms[:])
            dx[:, c] = w[c] / (deviation * count) * (count * dy[:, c] - db[c] - z * dw[c])

    return batch_norm_backward


@with_fma
def _contracted(x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array) -> None:
    """Scale by w/deviation and add the bias in one FMA."""
    for c in range(x.shape[1]):
        scale = w[c] / np.sqrt(var[c] + x.dtype.type(epsilon))
        for n in range(x.shape[0]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    y[n, c, i, j] = (x[n, c, i, j] - mean[c]) * scale + b[c]


def _in_passes(x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array) -> None:
    """Compute on whole arrays."""
    mean, deviation, w, b = (each.reshape(1, -1, 1, 1) for each in (mean, np.sqrt(var + x.dtype.type(epsilon)), w, b))
    y[...] = (x - mean) / deviation * w + b


@compiled
def _updating(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Update the mean and the sum of squares with every value (Welford).

    An infinity makes the updated mean NaN, where it is to be infinite: it is added up for that.
    """
    samples, channels, height, width = x.shape
    zero = x.dtype.type(0)
    for c in range(channels):
        center, squares, total, count = zero, zero, zero, zero
        for n in range(samples):
            for i in range(height):
                for j in range(width):
                    value: Any = x[n, c, i, j]
                    total += value
                    count += x.dtype.type(1)
                    before = value - center
                    center += before / count
                    squares += before * (value - center)
        mean[c] = center if np.isfinite(total) and count > 0 else total / count
        var[c] = squares / count
        factor = w[c] / np.sqrt(var[c] + x.dtype.type(epsilon))
        for n in range(samples):
            for i in range(height):
                for j in range(width):
                    y[n, c, i, j] = (x[n, c, i, j] - mean[c]) * factor + b[c]


SUMMING: tuple[Summing, ...] = (
    ("batch_norm", _batch_norm, (backwards, pairwise, in_double)),
    ("batch_norm_backward", _batch_norm_backward, (backwards, pairwise)),
)
OTHERS: tuple[Other, ...] = (
    ("batch_norm", "updated with every value", _updating),
    ("batch_norm_inference", "one FMA", _contracted),
    ("batch_norm_inference", "in passes", _in_passes),
)
