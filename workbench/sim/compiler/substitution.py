"""Replace the values of names in a kernel for the simulator."""

from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numba

from workbench.numba_internals.compiling import Dispatcher
from workbench.numba_internals.errors import TypingError
from workbench.sim.compiler.device_functions import device_function, is_compiled_here
from workbench.sim.compiler.libraries import is_library
from workbench.sim.compiler.overloading import is_overloaded, overloaded
from workbench.sim.language import CUDA, LIBDEVICE, MATH, NUMBA, REPLACED, TILES, VECTORS

_MODULES = {
    "numba": NUMBA,
    "numba.cuda": CUDA,
    "numba.cuda.libdevice": LIBDEVICE,
    "numba.cuda.cg": vars(CUDA)["cg"],
    "math": MATH,
}


LANE_ID = object()
"""Stands for ``cuda.laneid``, which is computed where a kernel reads it."""


@dataclass(frozen=True)
class LinkedFunction:
    """The result of ``cuda.declare_device``: a name in code that only a GPU's linker finds."""

    name: str


def substitute(value: Any, compiler: type) -> Any:
    """Return the simulator's value of a kernel's global or free variable; ``compiler`` compiles device functions."""
    if isinstance(value, ModuleType):
        return _MODULES.get(value.__name__, value)
    implemented = overloaded(value, compiler)
    if implemented is not None:
        return implemented
    if isinstance(value, BuiltinFunctionType):
        return REPLACED.get(value, value)
    if isinstance(value, Dispatcher):
        if _is_ours(value.py_func) or is_compiled_here(value):
            return value
        return device_function(value.py_func, compiler=compiler, inline=value.targetoptions.get("inline", "never"))
    if type(value).__name__ == "FakeCUDAKernel":
        signatures, inline = getattr(value, "signatures", ()), getattr(value, "inline", "never")
        return device_function(value.fn, signatures, compiler=compiler, inline=inline)
    if isinstance(value, type) and value.__module__.startswith("numba.cuda"):
        return VECTORS.get(value.__name__, value)
    if isinstance(value, LinkedFunction):
        raise TypingError(
            f"{value.name} is linked from code that is not Python, which cannot be simulated; replace it by "
            "a device function"
        )
    if isinstance(value, FunctionType) and value in TILES:
        return TILES[value]
    if isinstance(value, FunctionType) and value.__module__ == "numba.cuda.misc.special":
        return getattr(numba, value.__name__, value)
    if isinstance(value, FunctionType) and not _is_known(value):
        raise TypingError(
            f"{value.__name__} is a plain Python function, which a kernel cannot call; decorate it with "
            "@cuda.jit(device=True)"
        )
    return value


def attribute_of(owner: Any, name: str) -> Any:
    """Return the value of a module's attribute that ``substitute`` may replace; None for what Numba resolves itself."""
    if not isinstance(owner, ModuleType):
        return None
    if _MODULES.get(owner.__name__, owner) is CUDA:
        return LANE_ID if name == "laneid" else None
    value = getattr(owner, name, None)
    return value if not is_library(owner.__name__) or is_overloaded(value) else None


def _is_ours(function: FunctionType) -> bool:
    return (function.__module__ or "").startswith("workbench.sim.")


def _is_known(function: FunctionType) -> bool:
    """Return whether Numba implements a Python function: of NumPy, of the standard library, or registered."""
    return function.__module__ is None or is_library(function.__module__)
