"""Kernels with explicit signatures: what their arguments become, and which they do not take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import typeof
from numba.core import types
from numba.np.numpy_support import as_dtype, from_dtype

Kinds = tuple[Any, ...]


def with_signature(kernel: str, signatures: tuple[Kinds, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give a launch's arguments as the first signature that takes them has them: numbers are converted, arrays must fit.

    Raises
    ------
    TypeError
        No signature takes them.
    """
    if not signatures:
        return values
    for kinds in signatures:
        if len(kinds) == len(values) and all(map(_fits, kinds, values)):
            return tuple(map(_converted, kinds, values))
    given = ", ".join(map(_name, values))
    known = "; ".join(", ".join(map(str, kinds)) for kinds in signatures)
    raise TypeError(f"No matching definition: {kernel} takes ({known}), it was given ({given})")


def _fits(kind: Any, value: Any) -> bool:
    if isinstance(kind, types.Array):
        return isinstance(value, np.ndarray) and kind.ndim == value.ndim and kind.dtype == from_dtype(value.dtype)
    return not isinstance(value, np.ndarray)


def _converted(kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Number | types.Boolean) and np.isscalar(value):
        return np.asarray(value).astype(as_dtype(kind))[()]
    return value


def _name(value: Any) -> str:
    return f"array({value.dtype}, {value.ndim}d)" if isinstance(value, np.ndarray) else str(typeof(value))
