"""Find the kernels that call shuffles, whose undefined values are followed."""

from collections.abc import Callable
from typing import Any

from workbench.sim.compiler.reaching import reach
from workbench.sim.language import CUDA
from workbench.system.python_code import names_in

SHUFFLES = {getattr(CUDA, name) for name in ("shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync")}


def shuffles(function: Callable[..., Any]) -> bool:
    """Return whether a kernel calls a shuffle, directly or through device functions."""
    found = reach(function)
    names = (name for each in found.functions for name in names_in(each.__code__))
    return any(name.startswith("shfl_") for name in names) or any(is_one_of(each, SHUFFLES) for _, each in found.values)


def is_one_of(value: Any, known: set[Any]) -> bool:
    """Return whether a value is one of some objects, by identity."""
    return any(value is each for each in known)
