"""Replace the values of names in a kernel for the simulator."""

import sys
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numba

from workbench.numba_internals.compiling import Dispatcher
from workbench.numba_internals.errors import TypingError
from workbench.sim.compiler.device_functions import device_function, is_compiled_here
from workbench.sim.language import CUDA, LIBDEVICE, MATH, NUMBA, REPLACED, VECTORS

_MODULES = {
    "numba": NUMBA,
    "numba.cuda": CUDA,
    "numba.cuda.libdevice": LIBDEVICE,
    "numba.cuda.cg": vars(CUDA)["cg"],
    "math": MATH,
}


@dataclass(frozen=True)
class LinkedFunction:
    """The result of ``cuda.declare_device``: a name in code that only a GPU's linker finds."""

    name: str


def substitute(value: Any, compiler: type) -> Any:
    """Return the simulator's value of a kernel's global or free variable; ``compiler`` compiles device functions."""
    if isinstance(value, ModuleType):
        return _MODULES.get(value.__name__, value)
    if isinstance(value, BuiltinFunctionType):
        return REPLACED.get(value, value)
    if isinstance(value, Dispatcher):
        ready = _is_ours(value.py_func) or is_compiled_here(value)
        return value if ready else device_function(value.py_func, compiler=compiler)
    if type(value).__name__ == "FakeCUDAKernel":
        return device_function(value.fn, getattr(value, "signatures", ()), compiler=compiler)
    if isinstance(value, type) and value.__module__.startswith("numba.cuda"):
        return VECTORS.get(value.__name__, value)
    if isinstance(value, LinkedFunction):
        raise TypingError(
            f"{value.name} is linked from code that is not Python, which cannot be simulated; replace it by "
            "a device function"
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
    """Return whether Numba implements a Python function: of NumPy, of the standard library, or registered."""
    if _is_ours(function) or function.__module__ is None:
        return True
    root = function.__module__.partition(".")[0]
    return root in ("numpy", "numba") or root in sys.stdlib_module_names
