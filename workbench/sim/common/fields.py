"""The layout of records: the fields that an access touches, and their names."""

from math import gcd
from typing import Any

import numpy as np

from workbench.numba_internals.errors import NumbaError
from workbench.numba_internals.type_inference import as_dtype

Dtype = np.dtype[Any]
Spans = tuple[tuple[int, int], ...]


def dtype_of(kind: Any, size: int) -> Dtype:
    """Return the NumPy dtype of a Numba type; for a type unknown to NumPy, a dtype of the same size."""
    try:
        found: Dtype = as_dtype(kind)
    except (NotImplementedError, NumbaError):
        return np.dtype((np.void, size))
    return found


def granularity(dtype: Dtype) -> int:
    """Return a number of bytes that divides the offsets and sizes of all fields."""
    if dtype.subdtype is not None:
        return granularity(dtype.subdtype[0])
    if dtype.fields is None:
        return dtype.itemsize
    parts = ((dtype.fields[name][1], granularity(dtype.fields[name][0])) for name in dtype.names or ())
    return gcd(dtype.itemsize, *(number for part in parts for number in part))


def spans(dtype: Dtype) -> Spans:
    """Return the bytes that hold fields, as (offset, size), in order; padding between them is never written alone."""
    if dtype.subdtype is not None:
        base = dtype.subdtype[0]
        starts, inner = range(0, dtype.itemsize, base.itemsize), spans(base)
        return _joined([(start + place, size) for start in starts for place, size in inner])
    if dtype.fields is None:
        return ((0, dtype.itemsize),)
    fields = [dtype.fields[name] for name in dtype.names or ()]
    return _joined(sorted((field[1] + place, size) for field in fields for place, size in spans(field[0])))


def _joined(parts: list[tuple[int, int]]) -> Spans:
    """Join parts that touch or overlap."""
    joined: list[tuple[int, int]] = []
    for start, size in parts:
        if joined and start <= sum(joined[-1]):
            first = joined[-1][0]
            joined[-1] = first, max(sum(joined[-1]), start + size) - first
        else:
            joined.append((start, size))
    return tuple(joined)


def path(dtype: Dtype, offset: int, size: int) -> str:
    """Return the path of the innermost field that holds some bytes of an element, as ``.inner.x`` or ``.y[2]``."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        number, rest = divmod(offset, base.itemsize)
        if rest + size > base.itemsize:
            return ""
        index = ", ".join(str(int(each)) for each in np.unravel_index(number, shape))
        return f"[{index}]{path(base, rest, size)}"
    for name in dtype.names or ():
        field, start = dtype.fields[name][:2] if dtype.fields else (dtype, 0)
        if start <= offset and offset + size <= start + field.itemsize:
            return f".{name}{path(field, offset - start, size)}"
    return ""
