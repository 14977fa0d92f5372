"""Which code belongs to libraries that Numba knows, and not to a user's kernel."""

import sys


def is_library(module: str) -> bool:
    """Return whether a module belongs to NumPy, Numba, the standard library or the simulator."""
    root = module.partition(".")[0]
    return module.startswith("workbench.sim.") or root in ("numpy", "numba") or root in sys.stdlib_module_names
