"""The very same references, compiled, as the oracle for cases too large for plain Python."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import FunctionType

import numba

from kernels import OPS


@cache
def compiled_reference(op: str) -> Callable[..., None]:
    """Compile an operation's reference with everything it calls in its module.

    Numba cannot call plain Python functions, so the module's functions are rebuilt over a namespace in which each of them
    is compiled; their source is untouched.
    """
    reference = OPS[op].reference
    module = sys.modules[reference.__module__]
    namespace = dict(vars(module))
    for name, function in vars(module).items():
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            rebuilt = FunctionType(function.__code__, namespace, name, function.__defaults__)
            namespace[name] = numba.njit(error_model="numpy", nogil=True)(rebuilt)
    compiled: Callable[..., None] = namespace[reference.__name__]
    return compiled
