"""The verdict on numbers: how far a result is from the exact one, as a share of the a-priori bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.op import Op, Options, Shapes
from kernels.rounding import Analytic, Exact, Sum, gamma
from workbench.sampling import Arrays

Outputs = tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """What an operation should give for certain inputs.

    Attributes
    ----------
    expected : the outputs in the oracle's precision
    bounds : for every element, how far a correct result may lie from it
    dtype : the precision that is judged
    """

    expected: Outputs
    bounds: Outputs
    dtype: np.dtype[Any]

    def shares(self, output: int, got: NDArray[Any]) -> NDArray[np.float64]:
        """Give |got - expected| / bound for every element of one output; inf where nothing but equality will do.

        A NaN must meet a NaN, an infinity the same infinity; with a bound of zero the value must be equal.
        """
        limits = np.finfo(self.dtype)
        expected, bound = self.expected[output], self.bounds[output]
        with np.errstate(all="ignore"):
            overflows = np.abs(expected) > float(limits.max)
            rounded = np.where(overflows, np.copysign(np.inf, expected), expected)
            error = np.abs(got.astype(expected.dtype) - rounded)
            shares = np.where(error == 0, 0.0, np.where(bound > 0, error / bound, np.inf))
            special = ~np.isfinite(rounded)
            same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
            shares = np.where(special, np.where(same, 0.0, np.inf), shares)
            shares = np.where(~special & ~np.isfinite(got), np.inf, shares)
        return np.asarray(shares, dtype=np.float64)


def oracle(
    op: Op,
    inputs: Arrays,
    options: Options,
    dtype: np.dtype[Any],
    compiled: Callable[..., None] | None = None,
) -> Oracle:
    """Compute the exact outputs and the bounds, in float64 for float32 and in extended precision for float64.

    The bounds have room for the oracle's own error, which is negligible unless there is no extended precision (on some
    platforms, and for a compiled reference): then they are doubled.

    Parameters
    ----------
    op, inputs, options : the call
    dtype : the precision that will be judged
    compiled : the reference compiled, for large cases
    """
    precise: np.dtype[Any] = np.dtype(np.float64 if dtype == np.float32 or compiled is not None else np.longdouble)
    reference = op.reference if compiled is None else compiled
    expected = reference_outputs(op, inputs, options, precise, reference)
    widened = 1 + float(np.finfo(precise).eps / np.finfo(dtype).eps)  # the oracle errs too, by its own precision
    with np.errstate(all="ignore"):
        bounds = tuple(widened * bound for bound in _bounds(op, inputs, options, expected, dtype, reference))
    return Oracle(expected=expected, bounds=bounds, dtype=dtype)


def _bounds(
    op: Op,
    inputs: Arrays,
    options: Options,
    expected: Outputs,
    dtype: np.dtype[Any],
    reference: Callable[..., None],
) -> Outputs:
    unit, precise = float(np.finfo(dtype).eps) / 2, expected[0].dtype
    smallest = float(np.finfo(dtype).smallest_subnormal)  # every rounding may also err by this where it underflows
    rounding = op.rounding
    if isinstance(rounding, Exact):
        return tuple(np.zeros_like(values) for values in expected)
    if isinstance(rounding, Analytic):
        wide = {name: array if array.dtype.kind in "iu" else array.astype(precise) for name, array in inputs.items()}
        terms = max((array.shape[1] for array in inputs.values() if array.ndim > 1), default=1)
        largest = max(
            (float(np.abs(array[np.isfinite(array)]).max(initial=1.0)) for array in wide.values()), default=1.0
        )
        floor = 16 * terms * smallest * largest  # an underflow may be multiplied by an input
        return tuple(bound + floor for bound in rounding.bound(wide, expected, unit))
    absolute = {name: np.abs(array) if name in rounding.magnitudes else array for name, array in inputs.items()}
    sizes = reference_outputs(op, absolute, options, precise, reference)
    shapes = {name: array.shape for name, array in inputs.items()}
    return tuple(
        np.zeros_like(size)
        if roundings == 0 or _stays_integer(rounding, inputs, size, unit)
        else gamma(roundings, unit) * size + roundings * smallest
        for roundings, size in zip(rounding.roundings(shapes, options), sizes, strict=True)
    )


def _stays_integer(rounding: Sum, inputs: Arrays, size: NDArray[Any], unit: float) -> bool:
    """Say whether all terms are integers and every partial sum stays below 2**24 (2**53), so that nothing rounds."""
    if rounding.divides or size.size == 0 or not bool(np.all(size < 1 / unit)):
        return False
    return all(bool(np.all(inputs[name] == np.rint(inputs[name]))) for name in rounding.magnitudes)


def reference_outputs(
    op: Op, inputs: Arrays, options: Options, dtype: np.dtype[Any], reference: Callable[..., None]
) -> tuple[NDArray[Any], ...]:
    """Run ``reference``, plain or compiled, in ``dtype`` (float inputs are converted), on outputs of its own."""
    given = [
        inputs[item.name] if item.kind == "index" else np.asarray(inputs[item.name], dtype=dtype) for item in op.inputs
    ]
    shapes: Shapes = {name: array.shape for name, array in inputs.items()}
    outputs = tuple(np.full(shape, np.nan, dtype) for shape in op.output_shapes(shapes, options))
    with np.errstate(all="ignore"):
        reference(*given, *op.option_values(options), *outputs)
    return outputs
