"""The same references, compiled, as the oracle for cases in which plain Python would be slow."""

import sys
from collections.abc import Callable
from functools import cache
from inspect import unwrap
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np

from kernels.compile.disk_cache import KERNELS
from kernels.compile.jit import cpu_serial
from kernels.declare.op import Op
from workbench.numba_internals.errors import NumbaError
from workbench.system.call_record import recorded_like

FEW_FLOPS = 2_000
"""Up to this, float64 is judged by plain Python in extended precision (some ms); the compiled oracle has only float64."""


def oracle_reference(op: Op, dtype: np.dtype[Any], flops: int) -> Callable[..., None] | None:
    """Return the compiled reference if it serves as the oracle; None if the plain one does."""
    if numba.config.DISABLE_JIT or (dtype == np.float64 and flops <= FEW_FLOPS):
        return None
    return compiled_reference(op)


@cache
def compiled_reference(op: Op) -> Callable[..., None]:
    """Compile an operation's reference with everything that it calls in its module.

    Numba cannot call plain Python functions, so the module's functions are rebuilt over a namespace in which each of them
    is compiled; their source is unchanged. A user's reference that Numba cannot compile runs uncompiled.
    """
    reference = unwrap(op.reference)  # that of a user's operation is recorded
    if not isinstance(reference, FunctionType):
        return op.reference
    built_in = Path(reference.__code__.co_filename).is_relative_to(KERNELS)
    compile_function = cpu_serial if built_in else numba.njit(error_model="numpy", nogil=True)
    module = sys.modules.get(reference.__module__)
    namespace = dict(reference.__globals__)
    for name, function in vars(module).items() if module else ():
        if isinstance(function, FunctionType) and function.__module__ == reference.__module__:
            namespace[name] = compile_function(_over(namespace, function))
    compiled: Callable[..., None] = compile_function(_over(namespace, reference))
    return compiled if built_in else recorded_like(op.reference, _or_plain(compiled, reference))


def _over(namespace: dict[str, Any], function: FunctionType) -> FunctionType:
    """Return the function with other globals."""
    rebuilt = FunctionType(function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__)
    rebuilt.__module__ = function.__module__
    rebuilt.__qualname__ = function.__qualname__
    return rebuilt


def _or_plain(compiled: Callable[..., None], plain: Callable[..., None]) -> Callable[..., None]:
    usable = True

    def call(*arguments: Any) -> None:
        nonlocal usable
        if usable:
            try:
                compiled(*arguments)
            except NumbaError:
                usable = False
            else:
                return
        plain(*arguments)

    return call
