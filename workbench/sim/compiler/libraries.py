"""Which code belongs to libraries that Numba knows, and not to a user's kernel."""

import os
import sys
from pathlib import Path
from types import FunctionType

from workbench.system.python_code import is_library_file

_OWN = (f"{Path(__file__).parents[1]}{os.sep}", f"{Path(os.__file__).parent}{os.sep}")


def is_library(module: str) -> bool:
    """Return whether a module belongs to NumPy, Numba, the standard library or the simulator."""
    root = module.partition(".")[0]
    return module.startswith("workbench.sim.") or root in ("numpy", "numba") or root in sys.stdlib_module_names


def is_library_function(function: FunctionType) -> bool:
    """Return whether the file of a function belongs to a library; a user's module may be named as one: ``test``.

    The tests of a library have kernels as users do.
    """
    file = function.__code__.co_filename
    if "tests" in Path(file).parts:
        return False
    return is_library_file(file) or (file.startswith(_OWN) and "site-packages" not in Path(file).parts)
