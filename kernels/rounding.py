"""How far a correct floating-point result may lie from the exact one: a-priori bounds, not guessed tolerances.

The model is the standard one (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 2.2
and 3.1): every operation returns the exact result times (1 + d), |d| <= u, where u is the unit roundoff, 2**-24 for
float32 and 2**-53 for float64. A product of k such factors stays within 1 +- gamma(k).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

TRANSCENDENTAL_ULPS = 4
"""exp and log are taken to be right within 4 ulp, on every device (CUDA's expf: 2, logf: 1; the C library's: below 1)."""

TRANSCENDENTAL_ROUNDINGS = 2 * TRANSCENDENTAL_ULPS
"""The same in unit roundoffs: an ulp is at most 2u."""


def gamma(roundings: int, unit: float) -> float:
    """Bound |(1+d1)...(1+dk) - 1| with |di| <= u: k*u / (1 - k*u). Source: Higham, lemma 3.1."""
    return roundings * unit / (1 - roundings * unit)


@dataclass(frozen=True)
class Exact:
    """No operation rounds: the result is one of the inputs, or is the same in any order."""


@dataclass(frozen=True)
class Sum:
    """Every output is a sum of products of inputs, added in any order, with or without FMA.

    |error| <= gamma(k) * (the same sum over the absolute values of the inputs); Higham, section 3.1.

    Attributes
    ----------
    roundings : (shapes by input name, options) -> k for each output: the roundings that one term can meet
    magnitudes : the inputs that enter by their absolute value (others, such as ``x`` in the gradient of max
        pooling, only select)
    divides : a division is part of it, so that integers do not stay exact
    """

    roundings: Callable[[Mapping[str, tuple[int, ...]], Mapping[str, Any]], tuple[int, ...]]
    magnitudes: tuple[str, ...]
    divides: bool = False


@dataclass(frozen=True)
class Analytic:
    """The bound is a formula of its own.

    Attributes
    ----------
    bound : (inputs, exact outputs, unit roundoff) -> the bound for every element of each output; everything in the
        oracle's precision
    """

    bound: Callable[[Arrays, tuple[NDArray[Any], ...], float], tuple[NDArray[Any], ...]]


Rounding = Exact | Sum | Analytic


def softmax_bound(x: NDArray[Any], y: NDArray[Any], unit: float) -> NDArray[Any]:
    """Bound the error of y = exp(x - max) / sum exp(x - max) along axis 1.

    The subtraction rounds once, which shifts the exponent by up to u*|x - max| and the exponential by that much
    relatively; exp itself adds 8u; the K-term sum inherits the weighted mean of these shifts and adds gamma(K); the
    division rounds once. The terms that are quadratic in u are covered by one spare rounding.
    """
    distance = _distance_from_max(x)
    shift = distance + np.sum(y * distance, axis=1, keepdims=True)
    roundings = 2 * TRANSCENDENTAL_ROUNDINGS + x.shape[1] + 2
    return np.asarray(y * (gamma(roundings, unit) + 1.01 * unit * shift))


def cross_entropy_bound(logits: NDArray[Any], labels: NDArray[Any], unit: float) -> NDArray[Any]:
    """Bound the error of mean_n [log(sum_k exp(z_k - max)) + (max - z_label)], both parts being >= 0."""
    samples, classes = logits.shape
    if samples == 0:
        return np.zeros((), logits.dtype)
    distance = _distance_from_max(logits)
    terms = np.exp(logits - logits.max(axis=1, keepdims=True))
    total = terms.sum(axis=1)
    log_error = unit * (terms * distance).sum(axis=1) / total + gamma(TRANSCENDENTAL_ROUNDINGS + classes, unit)
    picked = distance[np.arange(samples), labels]
    size = np.log(total) + picked
    each = 1.01 * log_error + gamma(TRANSCENDENTAL_ROUNDINGS + 2, unit) * size
    return np.asarray((each + gamma(samples + 1, unit) * size).mean())


def _distance_from_max(x: NDArray[Any]) -> NDArray[Any]:
    """|x - max| along axis 1, with -inf (whose exponential is exactly 0) counted as no distance."""
    distance = x.max(axis=1, keepdims=True) - x
    return np.where(np.isfinite(distance), distance, 0)
