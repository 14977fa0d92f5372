"""How NumPy functions and methods that a kernel calls access their array arguments."""

from typing import Any

from numba import types

from workbench.sim.runtime import layout as at

_LOOK_AT_NO_ELEMENT = {"len", "shape", "size", "ndim", "iscomplexobj", "isrealobj", "isscalar"}

_WRITE = {"fill", "itemset", "_zero_fill", "fill_diagonal"}

_READ_AND_WRITE = {"sort"}


def accesses(called: Any, result: Any) -> tuple[int, ...]:
    """Return the kinds of access to all elements of a call's array arguments; none if it returns views."""
    name = _name(called)
    if name in _READ_AND_WRITE:
        return at.READS, at.WRITES
    if name in _WRITE:
        return (at.WRITES,)
    if not name or name in _LOOK_AT_NO_ELEMENT or isinstance(result, types.Array | types.IteratorType):
        return ()
    return (at.READS,)


def _name(called: Any) -> str:
    """Return the name of an array method or of a NumPy or Python function; "" for others."""
    key = getattr(called, "typing_key", None)
    if isinstance(called, types.BoundFunction):
        if not isinstance(called.this, types.Array):
            return ""
        return key[1] if isinstance(key, tuple) else str(key).removeprefix("array.")
    module = getattr(key, "__module__", None) or ""
    return str(getattr(key, "__name__", "")) if module == "builtins" or module.startswith("numpy") else ""
