"""What a name in a kernel stands for in the simulator."""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numba
from numba.core.dispatcher import Dispatcher
from numba.core.errors import TypingError

from workbench.sim.common.modes import Mode
from workbench.sim.host.overloads import LinkedFunction
from workbench.sim.language import CUDA, LIBDEVICE, MATH, NUMBA, REPLACED, VECTORS

_MODULES = {
    "numba": NUMBA,
    "numba.cuda": CUDA,
    "numba.cuda.libdevice": LIBDEVICE,
    "numba.cuda.cg": vars(CUDA)["cg"],
    "math": MATH,
}


def substitute(value: Any, mode: Mode) -> Any:
    """Return what a global or a free variable of a kernel stands for: device functions are compiled for the simulator."""
    from workbench.sim.compiler.compilation import device_function, is_compiled_here

    if isinstance(value, ModuleType):
        return _MODULES.get(value.__name__, value)
    if isinstance(value, BuiltinFunctionType):
        return REPLACED.get(value, value)
    if isinstance(value, Dispatcher):
        return (
            value if _is_ours(value.py_func) or is_compiled_here(value) else device_function(value.py_func, mode=mode)
        )
    if type(value).__name__ == "FakeCUDAKernel":
        return device_function(value.fn, getattr(value, "signatures", ()), mode=mode)
    if isinstance(value, type) and value.__module__.startswith("numba.cuda"):
        return VECTORS.get(value.__name__, value)
    if isinstance(value, LinkedFunction):
        raise TypingError(
            f"{value.name} is linked from code that is not Python, which cannot be simulated; put a device function in its "
            "place"
        )
    if isinstance(value, FunctionType) and value.__module__ == "numba.cuda.misc.special":
        return getattr(numba, value.__name__, value)
    if isinstance(value, FunctionType) and not _is_known(value):
        raise TypingError(
            f"{value.__name__} is a plain Python function, which a kernel cannot call; decorate it with "
            "@cuda.jit(device=True)"
        )
    return value


def _is_ours(function: FunctionType) -> bool:
    return (function.__module__ or "").startswith("workbench.sim.")


def _is_known(function: FunctionType) -> bool:
    """Whether Numba has an implementation of a Python function: NumPy's, the standard library's, what was registered."""
    if _is_ours(function) or function.__module__ is None:
        return True
    root = function.__module__.partition(".")[0]
    return root in ("numpy", "numba") or root in sys.stdlib_module_names
