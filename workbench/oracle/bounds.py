"""The judgement of numbers: how far a result is from the exact one, as a share of the a-priori bound."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Op, Options, Shapes
from kernels.declare.rounding import Analytic, Exact, Sum, gamma
from workbench.oracle.poison import POISONS, poisoned
from workbench.sampling import Arrays

Outputs = tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The precision in which a kernel declares to compute.

    Attributes
    ----------
    unit : the unit roundoff
    smallest : the smallest positive number
    largest : the largest number
    """

    unit: float
    smallest: float
    largest: float


ACCUMULATE: dict[str, Precision] = {
    "float16": Precision(unit=2.0**-11, smallest=2.0**-24, largest=65504.0),
    "bfloat16": Precision(unit=2.0**-8, smallest=2.0**-133, largest=2.0**127 * (2 - 2.0**-7)),
    "tf32": Precision(unit=2.0**-11, smallest=2.0**-136, largest=2.0**127 * (2 - 2.0**-10)),
    "float32": Precision(unit=2.0**-24, smallest=2.0**-149, largest=2.0**127 * (2 - 2.0**-23)),
}
"""Precisions lower than that of the arrays, by name: IEEE 754 binary16 and binary32, NVIDIA's 19-bit and Google's 16-bit
formats."""


def precision_of(dtype: np.dtype[Any]) -> Precision:
    """Return the precision of a dtype."""
    limits = np.finfo(dtype)
    return Precision(unit=float(limits.eps) / 2, smallest=float(limits.smallest_subnormal), largest=float(limits.max))


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """The expected outputs of an operation for given inputs.

    Attributes
    ----------
    expected : the outputs in the oracle's precision
    bounds : for every element, how far a correct result may be from it
    dtype : the precision under test
    levels : for sums of 64 terms or more, how far random rounding errors are likely to be from it; else None
    others : makes the oracles of other results that are right too
    """

    expected: Outputs
    bounds: Outputs
    dtype: np.dtype[Any]
    levels: tuple[NDArray[Any] | None, ...] = ()
    others: Callable[[], tuple["Oracle", ...]] = tuple

    def shares(self, output: int, got: NDArray[Any]) -> NDArray[np.float64]:
        """Return |got - expected| / bound for every element of one output; inf if only equality is correct.

        A NaN must match a NaN, an infinity the same infinity; with a bound of zero the value must be equal. An infinite
        bound allows everything: a computation in a lower precision may overflow there. If there are other right results,
        an element has its smallest share.
        """
        shares = self._shares(output, got)
        if (shares > 1).any():
            for other in self.others():
                shares = np.minimum(shares, other.shares(output, got))
        return shares

    def has_nan(self, output: int) -> bool:
        """Return whether any element of a right output may be NaN."""
        return any(bool(np.isnan(each.expected[output]).any()) for each in (self, *self.others()))

    def _shares(self, output: int, got: NDArray[Any]) -> NDArray[np.float64]:
        expected, bound = self.expected[output], self.bounds[output]
        if expected.dtype.kind in "iu":
            return np.where(got == expected, 0.0, np.inf)
        limits = np.finfo(self.dtype)
        with np.errstate(all="ignore"):
            overflows = np.abs(expected) > float(limits.max)
            rounded = np.where(overflows, np.copysign(np.inf, expected), expected)
            error = np.abs(got.astype(expected.dtype) - rounded)
            shares = np.where(error == 0, 0.0, np.where(bound > 0, error / bound, np.inf))
            special = ~np.isfinite(rounded)
            same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
            shares = np.where(special, np.where(same, 0.0, np.inf), shares)
            shares = np.where(~special & ~np.isfinite(got), np.inf, shares)
            shares = np.where(np.isposinf(bound), 0.0, shares)
            return np.asarray(shares, dtype=np.float64)  # of a bound of a few of the smallest numbers it may overflow

    def excess(self, output: int, got: NDArray[Any]) -> float:
        """Return the largest |got - expected| / level over one output; 0 if there is no level."""
        level = self.levels[output] if self.levels else None
        if level is None or not got.size:
            return 0.0
        with np.errstate(all="ignore"):
            ratios = np.abs(got.astype(level.dtype) - self.expected[output]) / level
        return float(np.max(ratios, where=np.isfinite(ratios), initial=0.0))


MANY = 64
"""From this number of roundings on, random errors are distinguished from the worst case."""


def oracle(
    op: Op,
    inputs: Arrays,
    options: Options,
    dtype: np.dtype[Any],
    compiled: Callable[..., None] | None = None,
    accumulate: str | None = None,
    precise: np.dtype[Any] | None = None,
) -> Oracle:
    """Compute the exact outputs and the bounds, in float64 for float32 and in extended precision for float64.

    The bounds include the oracle's own error, which is negligible unless there is no extended precision (on some
    platforms, and for a compiled reference): then they are doubled.

    Parameters
    ----------
    op, inputs, options : the call
    dtype : the precision under test
    compiled : the compiled reference, for large cases
    precise : the precision of the oracle; that of the call means that the bounds are doubled: they are those of the
        difference of two right results
    accumulate : the lower precision that the kernel declares, a key of ACCUMULATE: inputs may be rounded to it (two more
        roundings) and sums accumulated in it
    """
    if precise is None:
        precise = np.dtype(np.float64 if dtype == np.float32 or compiled is not None else np.longdouble)
    reference = op.reference if compiled is None else compiled
    expected = reference_outputs(op, inputs, options, precise, reference)
    widened = 1 + float(np.finfo(precise).eps / np.finfo(dtype).eps)  # the oracle itself rounds, in its own precision
    precision = precision_of(dtype) if accumulate is None else ACCUMULATE[accumulate]
    with np.errstate(all="ignore"):
        sized = _bounds(op, inputs, options, expected, precise, precision, reference, lowered=accumulate is not None)
    return Oracle(
        expected=expected,
        bounds=tuple(_or_exact(values, widened * bound) for values, (bound, _) in zip(expected, sized, strict=True)),
        levels=tuple(level for _, level in sized),
        dtype=dtype,
    )


Bound = tuple[NDArray[Any], NDArray[Any] | None]
"""The bound of every element, and the probabilistic level."""


def _or_exact(values: NDArray[Any], bound: NDArray[Any]) -> NDArray[Any]:
    """Return the bound of an output; that of integers is zero."""
    return bound if values.dtype.kind == "f" else np.zeros(values.shape)


def _bounds(
    op: Op,
    inputs: Arrays,
    options: Options,
    expected: Outputs,
    precise: np.dtype[Any],
    precision: Precision,
    reference: Callable[..., None],
    *,
    lowered: bool,
) -> tuple[Bound, ...]:
    unit, rounding = precision.unit, op.rounding
    largest = max((_largest(array) for array in inputs.values() if array.dtype.kind == "f"), default=1.0)
    # every rounding may also err by this on underflow, and the error may be multiplied by an input
    smallest = precision.smallest * (largest if lowered else 1.0)
    if isinstance(rounding, Exact):  # nothing rounds, unless the inputs are rounded to a lower precision
        if not lowered:
            return tuple((np.zeros_like(values), None) for values in expected)
        return tuple((2 * unit * np.abs(values) + smallest, None) for values in expected)
    if isinstance(rounding, Analytic):
        wide = {name: array if array.dtype.kind in "iu" else array.astype(precise) for name, array in inputs.items()}
        terms = max((array.shape[1] for array in inputs.values() if array.ndim > 1), default=1)
        floor = 16 * terms * precision.smallest * largest
        bounds = rounding.of(wide, expected, unit, options)
        # a softmax of rounded scores is one of scores shifted by up to u*|x|, twice: relatively 4u*|x|
        shifted = 4 * unit * largest * terms if lowered else 0.0
        return tuple(
            (bound + floor + shifted * (np.abs(values) + 1), None)
            for bound, values in zip(bounds, expected, strict=True)
        )
    absolute = absolute_values(rounding, inputs, precise)
    numbers = {option.name: abs(options[option.name]) for option in op.options if option.form == "number"}
    sizes = reference_outputs(op, absolute, {**options, **numbers}, precise, rounding.absolute or reference)
    if not lowered:  # of an infinite input only the infinity that the reference has, or its NaN, is right
        sizes = tuple(np.where(np.isinf(size), 0.0, size) for size in sizes)
    if lowered and largest > precision.largest:
        sizes = tuple(np.full_like(size, np.inf) for size in sizes)  # an input may overflow when it is rounded
    shapes = {name: array.shape for name, array in inputs.items()}
    counts = [count + 2 * lowered for count in rounding.roundings(shapes, options)]
    return tuple(
        _sum_bound(
            count, size, precision, smallest, exact=_stays_integer(rounding, inputs, numbers.values(), size, unit)
        )
        for count, size in zip(counts, sizes, strict=True)
    )


def absolute_values(rounding: Sum, inputs: Arrays, precise: np.dtype[Any]) -> Arrays:
    """Return the inputs with the absolute values of the terms and factors, in the oracle's precision.

    In it, because the smallest int8 has no absolute value in int8.
    """
    return {
        name: np.abs(array.astype(precise)) if name in rounding.magnitudes else array for name, array in inputs.items()
    }


def _sum_bound(roundings: int, size: NDArray[Any], precision: Precision, smallest: float, *, exact: bool) -> Bound:
    """Bound a sum whose absolute values add up to ``size``.

    The level is that of N. J. Higham and T. Mary, A New Approach to Probabilistic Rounding Error Analysis (2019), section 2,
    with lambda = sqrt(log n): rounding errors with zero mean grow like sqrt(n), not n.
    """
    if roundings == 0 or exact:
        return np.zeros_like(size), None
    overflows = size > precision.largest / 2
    floor = roundings * smallest
    bound = gamma(roundings, precision.unit) * size + floor
    if precision.largest < np.finfo(np.float32).max:
        bound = np.where(overflows, np.inf, bound)
    level = sqrt(roundings * log(roundings)) * precision.unit * size + floor if roundings >= MANY else None
    return bound, level


def _largest(array: NDArray[Any]) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=1.0))


def _stays_integer(rounding: Sum, inputs: Arrays, numbers: Iterable[float], size: NDArray[Any], unit: float) -> bool:
    """Return whether all terms are integers and every partial sum is below 2**24 (2**53), so that nothing rounds."""
    if rounding.divides or size.size == 0 or not bool(np.all(size < 1 / unit)):
        return False
    if not all(float(number).is_integer() for number in numbers):
        return False
    return all(bool(np.all(inputs[name] == np.rint(inputs[name]))) for name in rounding.magnitudes)


def reference_outputs(
    op: Op, inputs: Arrays, options: Options, dtype: np.dtype[Any], reference: Callable[..., None]
) -> tuple[NDArray[Any], ...]:
    """Run ``reference``, plain or compiled, in ``dtype`` (float inputs are converted); return newly allocated outputs."""
    given = [
        inputs[item.name] if item.own_dtype is not None else np.asarray(inputs[item.name], dtype=dtype)
        for item in op.inputs
    ]
    shapes: Shapes = {name: array.shape for name, array in inputs.items()}
    sizes = op.output_shapes(shapes, options)
    outputs = tuple(poisoned(*each, POISONS[0]) for each in zip(sizes, op.dtypes_of_outputs(dtype), strict=True))
    with np.errstate(all="ignore"):
        reference(*given, *op.option_values(options), *outputs)
    return outputs
