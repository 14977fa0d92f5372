"""How far a correct floating-point result may be from the exact one: a-priori bounds, not guessed tolerances.

The model is the standard one (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 2.2
and 3.1): every operation returns the exact result times (1 + d), |d| <= u, where u is the unit roundoff, 2**-24 for
float32 and 2**-53 for float64. A product of k such factors stays within 1 +- gamma(k).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

TRANSCENDENTAL_ULPS = 4
"""exp and log are assumed accurate to 4 ulp on every device (CUDA's expf: 2, logf: 1; the C library's: below 1)."""

TRANSCENDENTAL_ROUNDINGS = 2 * TRANSCENDENTAL_ULPS
"""The same in unit roundoffs: an ulp is at most 2u."""


def gamma(roundings: int, unit: float) -> float:
    """Bound |(1+d1)...(1+dk) - 1| with |di| <= u: k*u / (1 - k*u); infinite for k*u >= 1. Source: Higham, lemma 3.1."""
    relative = roundings * unit
    return relative / (1 - relative) if relative < 1 else inf


def smallest(unit: float) -> float:
    """Return the smallest positive number of the format with this unit roundoff; for lower ones than float32, float16's."""
    return {2.0**-24: 2.0**-149, 2.0**-53: 5e-324}.get(unit, 2.0**-24)


@dataclass(frozen=True)
class Exact:
    """No operation rounds: the result is one of the inputs, or does not depend on the order of operations."""


@dataclass(frozen=True)
class Sum:
    """Every output is a sum of products of inputs, added in any order, with or without FMA.

    |error| <= gamma(k) * (the same sum over the absolute values of the inputs); Higham, section 3.1.

    Attributes
    ----------
    roundings : (shapes by input name, options) -> k for each output: the number of roundings that a term can undergo
    magnitudes : the inputs that enter by their absolute value (others, such as ``x`` in the gradient of max
        pooling, only select)
    divides : whether a division is involved, so that integer results are not exact
    absolute : the reference with + for - and without negative factors, which adds up the absolute values; needed if the
        reference subtracts, as differences and stencils do
    """

    roundings: Callable[[Mapping[str, tuple[int, ...]], Mapping[str, Any]], tuple[int, ...]]
    magnitudes: tuple[str, ...]
    divides: bool = False
    absolute: Callable[..., None] | None = None


@dataclass(frozen=True)
class Analytic:
    """The bound is a specific formula.

    Attributes
    ----------
    bound : (inputs, exact outputs, unit roundoff) -> the bound for every element of each output; all in the
        oracle's precision
    takes_options : whether it takes the options, normalized and by name, as a fourth argument
    """

    bound: Callable[..., tuple[NDArray[Any], ...]]
    takes_options: bool = False

    def of(
        self, inputs: Arrays, expected: tuple[NDArray[Any], ...], unit: float, options: Mapping[str, Any]
    ) -> tuple[NDArray[Any], ...]:
        """Return the bounds of a call."""
        return self.bound(inputs, expected, unit, *((options,) if self.takes_options else ()))


Rounding = Exact | Sum | Analytic
