"""A-priori bounds of batch normalization, in the standard model of rounding.

Everything is computed in the oracle's precision, for every channel over its m values; ``unit`` is the unit roundoff u of the
precision under test, gamma(k) = k*u / (1 - k*u).

**The mean** is a sum of m terms and a division, or an average updated with every value, which rounds up to five times more:
it is off by at most e = gamma(m + 6) * mean|x|.

**The variance** may be computed in two passes or by an update with every value (Welford). Two passes square deviations
from a mean that is off by e. Since exact deviations add up to zero, the variance grows by only e**2, and the squares and
their sum add gamma(m + 4) relatively (T. Chan, G. Golub and R. LeVeque, Algorithms for computing the sample variance, 1983,
table 1). Updates multiply a deviation by one from a mean that is off by up to gamma(k)*|mean|; over the sum that is at
most gamma(2m) * sqrt(var * mean(x**2)) by the inequality of Cauchy and Schwarz. This is at least gamma(2m) * var, which
covers two passes. The sum of squares minus the square of the mean has an error of gamma(m) * mean(x**2), and is not within
the bound where the mean is large.

**The deviation** sqrt(var + epsilon) cannot be smaller than sqrt(epsilon), as squares are not negative. Therefore its
reciprocal r lies between those of the ends of the interval of var, the lower end being epsilon at least, and rounds four
times more: the sum with epsilon, epsilon itself, the root and the division (or 2 ulp of CUDA's rsqrt).

**The result** w*(x - mean)*r + b then follows by products of intervals. It may also be computed as x*(w*r) + (b -
mean*(w*r)), which rounds where the terms are as large as x and the mean: gamma(8) of the sum of absolute values.

Underflow adds the smallest positive number for every product, times the factors that come after it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Options
from kernels.declare.rounding import Arrays, gamma, smallest

Array = NDArray[Any]
Bounds = tuple[Array, ...]

AXES = (0, 2, 3)
"""The axes of x that a channel's mean goes over."""


def batch_norm_rounding(inputs: Arrays, expected: Bounds, unit: float, options: Options) -> Bounds:
    """Bound the errors of batch_norm's y, mean and var."""
    x, w, b, epsilon = inputs["x"], _column(inputs["w"]), _column(inputs["b"]), options["epsilon"]
    y, mean, var = expected
    count = y.size // max(mean.size, 1)
    if count == 0:
        return np.zeros_like(y), np.zeros_like(mean), np.zeros_like(var)
    tiny = smallest(unit)
    mean_error = gamma(count + 6, unit) * np.abs(x).mean(axis=AXES) + tiny
    spread = np.sqrt(var * np.square(x).mean(axis=AXES))
    var_error = mean_error**2 * (1 + gamma(count + 4, unit)) + gamma(2 * count + 8, unit) * spread + 2 * tiny
    exact = 1 / np.sqrt(var + epsilon)
    most = 1 / np.sqrt(np.maximum(var - var_error, 0) + epsilon)
    least = 1 / np.sqrt(var + var_error + epsilon)
    reciprocal_error = np.maximum(most - exact, exact - least) + gamma(4, unit) * most
    distance, distance_error = np.abs(x - _column(mean)), _column(mean_error)
    r, r_error = _column(exact), _column(reciprocal_error)
    product_error = np.abs(w) * ((distance + distance_error) * (r + r_error) - distance * r)
    largest = np.abs(w) * (r + r_error) * (np.abs(x) + np.abs(_column(mean)) + distance_error) + np.abs(b)
    underflow = 8 * tiny * (1 + np.abs(w)) * (1 + r) * (1 + np.abs(x) + np.abs(_column(mean)))
    return product_error + gamma(8, unit) * largest + underflow, mean_error, var_error


def batch_norm_inference_rounding(inputs: Arrays, _expected: Bounds, unit: float, options: Options) -> Bounds:
    """Bound the error of batch_norm_inference's y: twelve roundings of each of its terms, in either order."""
    x, w, b, mean, r = (
        inputs["x"],
        *map(_column, (inputs["w"], inputs["b"], inputs["mean"], _reciprocal(inputs, options))),
    )
    size = np.abs(w) * r * (np.abs(x) + np.abs(mean)) + np.abs(b)
    return (gamma(12, unit) * size + 8 * smallest(unit) * (1 + np.abs(w)) * (1 + r) * (1 + np.abs(x) + np.abs(mean)),)


def batch_norm_backward_rounding(inputs: Arrays, expected: Bounds, unit: float, options: Options) -> Bounds:
    """Bound the errors of batch_norm_backward's dx, dw and db: sums of m terms, whose factors round at most eight times."""
    dy, x, w = np.abs(inputs["dy"]), inputs["x"], np.abs(_column(inputs["w"]))
    count = x.size // max(inputs["w"].size, 1)
    if count == 0:
        return tuple(map(np.zeros_like, expected))
    tiny, r = smallest(unit), _column(_reciprocal(inputs, options))
    z = np.abs(x - _column(inputs["mean"])) * r
    db_size, dw_size = dy.sum(axis=AXES), (dy * z).sum(axis=AXES)
    db_mean, dw_mean = _column(db_size) / count, _column(dw_size) / count
    size = w * r * (dy + db_mean + z * dw_mean)
    dx_underflow = 16 * tiny * (1 + w) * (1 + r) * (1 + z) * (1 + r + db_mean + dw_mean)
    dw_underflow = 4 * tiny * (count * (1 + r[0, :, 0, 0]) + db_size)
    return (
        gamma(count + 24, unit) * size + dx_underflow,
        gamma(count + 8, unit) * dw_size + dw_underflow,
        gamma(count - 1, unit) * db_size,
    )


def _reciprocal(inputs: Arrays, options: Options) -> Array:
    return np.asarray(1 / np.sqrt(inputs["var"] + options["epsilon"]))


def _column(values: Array) -> Array:
    """Return an array (C,) as one that broadcasts over (N, C, H, W)."""
    return values.reshape(1, -1, 1, 1)
