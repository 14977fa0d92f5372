"""Kernels with explicit signatures: convert their arguments, and reject those that do not match."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import typeof, types

from workbench.numba_internals.compiling import cpu_target
from workbench.numba_internals.type_inference import Conversion, as_dtype, from_dtype, sigutils

Kinds = tuple[Any, ...]

_COSTS = {Conversion.exact: 0, Conversion.promote: 1, Conversion.safe: 100, Conversion.unsafe: 10_000}
"""Costs of converting a number: one unsafe conversion outweighs all safe ones, as in Numba's choice."""


@dataclass(frozen=True)
class Signature:
    """The types of the arguments, and of the result if given."""

    arguments: Kinds
    result: Any


def signatures_of(given: Any) -> tuple[Signature, ...]:
    """Return the signatures given to a decorator; none if it has none."""
    listed = given if isinstance(given, list) else [given] if sigutils.is_signature(given) else []
    return tuple(Signature(tuple(kinds), result) for kinds, result in map(sigutils.normalize_signature, listed))


def with_signature(kernel: str, signatures: tuple[Signature, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a launch's arguments converted by the best matching signature: numbers are converted, arrays must fit.

    Raises
    ------
    TypeError
        No signature matches them.
    """
    if not signatures:
        return values
    accepted = [each.arguments for each in signatures]
    fitting = [kinds for kinds in accepted if len(kinds) == len(values) and all(map(_fits, kinds, values))]
    if not fitting:
        given = ", ".join(map(_name, values))
        known = "; ".join(", ".join(map(str, kinds)) for kinds in accepted)
        raise TypeError(f"No matching definition: {kernel} takes ({known}) but was given ({given})")
    best = min(fitting, key=lambda kinds: sum(map(_cost, kinds, values)))
    return tuple(map(_converted, best, values))


def _fits(kind: Any, value: Any) -> bool:
    if isinstance(kind, types.Array):
        return isinstance(value, np.ndarray) and kind.ndim == value.ndim and _same_bits(kind.dtype, value.dtype)
    return not isinstance(value, np.ndarray)


def _same_bits(kind: Any, dtype: Any) -> bool:
    """Return whether elements have a type, or are integers of its size: signs do not matter to a GPU."""
    given = from_dtype(dtype)
    both = isinstance(kind, types.Integer) and isinstance(given, types.Integer)
    return bool(kind == given or (both and kind.bitwidth == given.bitwidth))


def _cost(kind: Any, value: Any) -> int:
    if isinstance(kind, types.Array):
        return 0 if kind.dtype == from_dtype(value.dtype) else _COSTS[Conversion.unsafe]
    if not (isinstance(kind, types.Number | types.Boolean) and np.isscalar(value)):
        return 0
    conversion = cpu_target.typing_context.can_convert(typeof(value), kind)
    return _COSTS.get(conversion, _COSTS[Conversion.unsafe])


def _converted(kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        return value.view(as_dtype(kind.dtype)) if kind.dtype != from_dtype(value.dtype) else value
    if isinstance(kind, types.Number | types.Boolean) and np.isscalar(value):
        return np.asarray(value).astype(as_dtype(kind))[()]
    return value


def _name(value: Any) -> str:
    return f"array({value.dtype}, {value.ndim}d)" if isinstance(value, np.ndarray) else str(typeof(value))
