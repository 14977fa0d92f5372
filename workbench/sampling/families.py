"""Families of values: each can reveal some faults and not others, and documents which.

Values come from a seeded generator, so that a case is a few numbers: easy to shrink and short to replay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Shape

Values = NDArray[np.float64]


class Slot(NamedTuple):
    """The array to be filled: its shape, whether it is the operation's first input, its dtype."""

    shape: Shape
    first: bool
    dtype: np.dtype[Any]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of values.

    Attributes
    ----------
    draw : (generator, slot) -> values for one array, float64
    shows, misses : the faults that the family can reveal, and those that it cannot
    finite : whether all values are finite
    zero_mean : whether terms have both signs equally often, so that rounding errors grow like the root of their number
    """

    draw: Callable[[np.random.Generator, Slot], Values]
    shows: str
    misses: str
    zero_mean: bool = False
    finite: bool = True


def _cancelling(rng: np.random.Generator, to: Slot) -> Values:
    """Return, for the first array, large values in nearly equal pairs of opposite sign; otherwise values near one."""
    noise = 1e-3 * rng.standard_normal(to.shape)
    if not to.first:
        return 1 + noise
    flat = 1e3 * rng.standard_normal(noise.size)
    flat[1::2] = -flat[: flat.size - 1 : 2]
    return np.asarray(flat.reshape(to.shape) * (1 + noise))


def _impulse(rng: np.random.Generator, to: Slot) -> Values:
    """Return, for the first array, a single one; otherwise integers that are all different."""
    size = int(np.prod(to.shape))
    values = np.zeros(size) if to.first else np.asarray(rng.permutation(size) + 1.0)
    if to.first and size:
        values[rng.integers(size)] = 1
    return values.reshape(to.shape)


def _special(rng: np.random.Generator, to: Slot) -> Values:
    values = rng.standard_normal(to.shape)
    specials = rng.choice((np.nan, np.inf, -np.inf, -0.0, 0.0), to.shape)
    return np.where(rng.random(to.shape) < rng.choice((0.1, 0.5)), specials, values)


def _subnormal(rng: np.random.Generator, to: Slot) -> Values:
    """Return, for the first array, multiples of the smallest positive number; otherwise ordinary values."""
    if not to.first:
        return rng.standard_normal(to.shape)
    smallest = float(np.finfo(to.dtype).smallest_subnormal)
    return rng.integers(-(2**20), 2**20, to.shape).astype(np.float64) * smallest


FAMILIES: dict[str, Family] = {
    "normal": Family(
        draw=lambda rng, to: rng.standard_normal(to.shape),
        shows="wrong formulas and indices; rounding errors as they usually are",
        misses="one lost term among thousands, which the bound of a long sum lets pass",
        zero_mean=True,
    ),
    "integers": Family(
        draw=lambda rng, to: rng.integers(-3, 4, to.shape).astype(float),
        shows="a single lost, doubled or misplaced term: sums are exact, no tolerance; many ties",
        misses="loss of precision",
    ),
    "cancelling": Family(
        draw=_cancelling,
        shows="low precision inside: large terms whose sum is small",
        misses="relative errors of the result, which may be large in a right one",
        zero_mean=True,
    ),
    "offset": Family(
        draw=lambda rng, to: 1e3 + rng.standard_normal(to.shape),
        shows="digits lost where large values lie close together, as scores before a softmax may",
        misses="errors that are small compared with the common offset",
    ),
    "impulse": Family(
        draw=_impulse,
        shows="where every term goes: a single one among zeros, exact",
        misses="errors of accumulation",
    ),
    "constant": Family(
        draw=lambda rng, to: np.full(to.shape, float(rng.choice((1.0, -2.0, 0.5, 3.0)))),
        shows="borders, padding and counts: all elements alike",
        misses="swapped or shifted elements",
    ),
    "wide": Family(
        draw=lambda rng, to: rng.choice((-1.0, 1.0), to.shape) * 10.0 ** rng.uniform(-6, 6, to.shape),
        shows="loss where terms of twelve orders of magnitude meet",
        misses="errors in small terms, which large ones swamp",
    ),
    "special": Family(
        draw=_special,
        shows="the rules for NaN and infinities: each must come out where the reference has it",
        misses="rounding errors, and the sign of a zero",
        finite=False,
    ),
    "subnormal": Family(
        draw=_subnormal,
        shows="results flushed to zero",
        misses="all that is larger than the smallest numbers",
    ),
}
