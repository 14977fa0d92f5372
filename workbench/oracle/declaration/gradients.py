"""Derivatives by central differences, with detection of kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class NumericGradient:
    """A gradient computed by differences.

    Attributes
    ----------
    values : the derivative for every element; NaN at a kink, or if there is nothing finite to difference
    tolerance : for every element, how far the derivative of a correct formula may be from it
    """

    values: Array
    tolerance: Array


def numeric_gradient(function: Callable[[Array], Array], x: Array, dy: Array) -> NumericGradient:
    """Differentiate sum(dy * function(x)) with respect to every element of x, in the precision of x.

    With phi(x) the sum as a function of one element, and steps h and 2h, the central difference is
    C(h) = (phi(x+h) - phi(x-h)) / 2h.

    *Step.* Rounding contributes an error of eps*|phi|/h to C(h), truncation h^2/6*|phi'''|. If the derivatives are of the
    size of the function over its scale, both are smallest, about eps^(2/3), at h = eps^(1/3) * scale (W. H. Press et al.,
    Numerical Recipes, 3rd ed., section 5.7). The scale is |x| of the element, or the array's mean |x| if that is larger.

    *Kinks.* Let J(h) be the difference of the two one-sided differences. Where phi is smooth, J(h) = h*phi'' is its
    curvature, so that J(2h) = 2*J(h), and C(2h) = C(h), up to rounding and truncation. If the slope changes by s at a
    distance r*h from x, 0 <= r <= 1, the first two differ by s*|1 - 1.5r| and the other two by s*r/4, one pair by at least
    s/7; C(h) is then wrong by s*(1 - r)/2. An element is skipped if a pair differs by more than a threshold.

    *Threshold.* eps^(1/2) times the size of the derivative: the geometric mean of eps^(2/3), the error at a smooth point,
    and eps^(1/3), the curvature that one-sided differences show there. This leaves a margin of eps^(-1/6), a factor of 400
    in float64, for functions less well-behaved than assumed. The size is sum |dy * function(x)| / scale over the outputs
    that depend on the element, plus the largest derivative (which represents terms that cancel in an output).

    *Tolerance.* Twice the threshold: an undetected kink costs at most 1.5 of it, truncation (C(2h) - C(h)) / 3.

    Parameters
    ----------
    function : returns an array of the shape of ``dy`` for one of the shape of ``x``
    x : the point of differentiation, of any float dtype and any shape
    dy : the weight of every output
    """
    eps = float(np.finfo(x.dtype).eps)
    typical = float(np.abs(x).mean()) if x.size else 0.0
    values, disagreement, size = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    with np.errstate(all="ignore"):
        center = function(x)
        for index in np.ndindex(x.shape):
            scale = max(abs(float(x[index])), typical) or 1.0
            near = _Differences.at(function, x, dy, center, index, eps ** (1 / 3) * scale)
            far = _Differences.at(function, x, dy, center, index, 2 * eps ** (1 / 3) * scale)
            values[index] = near.central
            disagreement[index] = np.maximum(np.abs(far.jump - 2 * near.jump), np.abs(far.central - near.central))
            size[index] = near.size / scale
        finite = np.abs(values[np.isfinite(values)])
        threshold = eps**0.5 * (size + finite.max(initial=0.0))
        smooth = disagreement <= threshold  # false for NaN
    return NumericGradient(values=np.where(smooth, values, np.nan), tolerance=2 * threshold)


@dataclass(frozen=True, kw_only=True)
class _Differences:
    """The result of one step: the central difference, the difference of the one-sided ones, the sum of |dy * y|."""

    central: Any
    jump: Any
    size: Any

    @classmethod
    def at(
        cls, function: Callable[[Array], Array], x: Array, dy: Array, center: Array, index: tuple[int, ...], step: float
    ) -> _Differences:
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        up, down = above[index] - x[index], x[index] - below[index]  # the steps after rounding
        rise, fall = _change(function(above), center), _change(center, function(below))
        depends = (rise != 0) | (fall != 0)
        return cls(
            central=np.sum(dy * (rise + fall)) / (up + down),
            jump=np.sum(dy * rise) / up - np.sum(dy * fall) / down,
            size=np.sum(np.abs(dy * center), where=depends),
        )


def _change(after: Array, before: Array) -> Array:
    """Subtract; outputs that do not change, including infinities and NaN, give 0."""
    same = (after == before) | (np.isnan(after) & np.isnan(before))
    return np.where(same, 0, after - before)
