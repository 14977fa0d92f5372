"""A-priori bounds of softmax and cross-entropy, from 4 ulp of exp and log and the standard model of rounding.

Everything is computed in the oracle's precision; ``unit`` is the unit roundoff of the precision under test.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.rounding import TRANSCENDENTAL_ROUNDINGS, Arrays, gamma

Bounds = tuple[NDArray[Any], ...]


def softmax_rounding(inputs: Arrays, expected: Bounds, unit: float) -> Bounds:
    """Bound the error of softmax's y."""
    return (_softmax_bound(inputs["x"], expected[0], unit),)


def softmax_backward_rounding(inputs: Arrays, _expected: Bounds, unit: float) -> Bounds:
    """Bound the error of softmax_backward's dx: a product, K - 1 additions, a subtraction and a product."""
    dy, y = inputs["dy"], inputs["y"]
    size = np.abs(y) * (np.abs(dy) + np.sum(np.abs(dy * y), axis=1, keepdims=True))
    return (gamma(y.shape[1] + 2, unit) * size,)


def cross_entropy_rounding(inputs: Arrays, _expected: Bounds, unit: float, options: Mapping[str, Any]) -> Bounds:
    """Bound the error of cross_entropy's loss."""
    return (_cross_entropy_bound(inputs["logits"], inputs["labels"], options["label_smoothing"], unit),)


def cross_entropy_backward_rounding(
    inputs: Arrays, expected: Bounds, unit: float, options: Mapping[str, Any]
) -> Bounds:
    """Bound the error of cross_entropy_backward's dlogits: that of the probability, a subtraction and a division.

    With label smoothing the target rounds too: s/K and 1 - (s - s/K), or 1 - s and s/K, which may be subtracted one by one;
    between them the value is at most the probability and the target together.
    """
    logits, labels = inputs["logits"], inputs["labels"]
    samples, smoothing = max(logits.shape[0], 1), options["label_smoothing"]
    target = np.full(logits.shape, smoothing / logits.shape[1], logits.dtype)
    target[np.arange(logits.shape[0]), labels] += 1 - smoothing
    probability = expected[0] * samples + target
    spread = _softmax_bound(logits, probability, unit) / samples
    bound = spread + gamma(4, unit) * np.abs(expected[0])
    return (bound + gamma(6, unit) * (probability + target) / samples if smoothing else bound,)


def _softmax_bound(x: NDArray[Any], y: NDArray[Any], unit: float) -> NDArray[Any]:
    """Bound the error of y = exp(x - max) / sum exp(x - max) along axis 1.

    The subtraction rounds once, which shifts the exponent by up to u*|x - max| and the exponential by that much
    relatively; exp itself adds 8u; the K-term sum inherits the weighted mean of these shifts and adds gamma(K); the
    division rounds once. The terms that are quadratic in u are covered by one spare rounding.
    """
    distance = _distance_from_max(x)
    shift = distance + np.sum(y * distance, axis=1, keepdims=True)
    roundings = 2 * TRANSCENDENTAL_ROUNDINGS + x.shape[1] + 2
    return np.asarray(y * (gamma(roundings, unit) + 1.01 * unit * shift))


def _cross_entropy_bound(logits: NDArray[Any], labels: NDArray[Any], smoothing: float, unit: float) -> NDArray[Any]:
    """Bound the error of mean_n [log(sum_k exp(z_k - max)) + sum_k q_k * (max - z_k)]; all parts are >= 0."""
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
    if smoothing:  # the factors round, their products with distances, K additions, and the sum with the first part
        spread = smoothing / classes * distance.sum(axis=1)
        size = np.log(total) + (1 - smoothing) * picked + spread
        each = 1.01 * log_error + gamma(TRANSCENDENTAL_ROUNDINGS + classes + 6, unit) * size
    return np.asarray((each + gamma(samples + 1, unit) * size).mean())


def _distance_from_max(x: NDArray[Any]) -> NDArray[Any]:
    """Return |x - max| along axis 1; 0 for -inf, whose exponential is exactly 0."""
    distance = x.max(axis=1, keepdims=True) - x
    return np.where(np.isfinite(distance), distance, 0)
