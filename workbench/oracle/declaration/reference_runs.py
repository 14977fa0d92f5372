"""Runs of the reference in any precision on a case's inputs, and comparison of results."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Op, Options
from workbench.oracle.declaration.checks import DeclarationFault
from workbench.oracle.poison import POISONS, poisoned
from workbench.sampling import Arrays, Case

Array = NDArray[Any]

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
PRECISIONS: tuple[Any, ...] = (np.float32, np.float64, np.longdouble)


def run(op: Op, arrays: Arrays, options: Options, dtype: Any, poison: float = POISONS[0]) -> tuple[Array, ...]:
    """Run the reference in ``dtype`` on outputs filled with ``poison``; it must return None and not change its inputs."""
    converted = rounded_to(arrays, dtype)
    given = [converted[item.name].copy() for item in op.inputs]
    before = [array.copy() for array in given]
    shapes = op.output_shapes({name: array.shape for name, array in arrays.items()}, options)
    dtypes = op.dtypes_of_outputs(np.dtype(dtype))
    outputs = tuple(poisoned(shape, own, poison) for shape, own in zip(shapes, dtypes, strict=True))
    with np.errstate(all="ignore"):
        returned: Any = op.reference(*given, *op.option_values(options), *outputs)  # type: ignore[func-returns-value]
    if returned is not None:
        raise DeclarationFault(
            f"returns {type(returned).__name__}; must write results to the outputs and return nothing"
        )
    for item, old, new in zip(op.inputs, before, given, strict=True):
        if not same_values(old, new).all():
            place = worst_place(~same_values(old, new))
            raise DeclarationFault(
                f"changes its input {element_name(item.name, place)} from {_shown(old[place])} to {_shown(new[place])}"
            )
    return outputs


def normal_arrays(case: Case) -> Arrays:
    """Return the inputs of a case with normally distributed values."""
    return replace(case, family="normal").arrays()


def rounded_to(arrays: Arrays, dtype: Any) -> Arrays:
    """Round the float arrays to a precision."""
    return {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in arrays.items()}


def precision_name(dtype: Any) -> str:
    """Return the name of a precision; longdouble has other names on other machines."""
    return "longdouble" if dtype == np.longdouble and dtype != DOUBLE else np.dtype(dtype).name


def same_values(first: Array, second: Array) -> Array:
    """Return where values are the same; all NaNs are the same."""
    return np.asarray((first == second) | ((first != first) & (second != second)))


def expect_same(op: Op, first: Sequence[Array], second: Sequence[Array], fault: str) -> None:
    """Raise the fault with the first output and element that differ."""
    for name, values, others in zip(op.outputs, first, second, strict=True):
        same = same_values(values, others)
        if not same.all():
            place = worst_place(~same)
            raise DeclarationFault(
                f"{element_name(name, place)} {fault}; it is {_shown(values[place])} and {_shown(others[place])}"
            )


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, np.integer) else f"{value:.6g}"


def worst_place(excess: Array) -> tuple[int, ...]:
    """Return the index of the largest element; NaN counts as the largest."""
    return tuple(int(axis) for axis in np.unravel_index(int(np.argmax(excess)), excess.shape))


def element_name(name: str, place: Sequence[Any]) -> str:
    """Return an element's name as written in source code."""
    return f"{name}[{', '.join(str(int(axis)) for axis in place)}]"
