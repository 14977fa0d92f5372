"""Find the kernels that call shuffles, whose undefined values are followed."""

from collections.abc import Callable
from typing import Any

from workbench.sim.language import CUDA
from workbench.system.python_code import closure_values, names_in

SHUFFLES = {getattr(CUDA, name) for name in ("shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync")}


def shuffles(function: Callable[..., Any]) -> bool:
    """Return whether a kernel calls a shuffle, directly or through device functions."""
    return _shuffles(function, set())


def is_one_of(value: Any, known: set[Any]) -> bool:
    """Return whether a value is one of some objects, by identity."""
    return any(value is each for each in known)


def _shuffles(function: Any, seen: set[Any]) -> bool:
    seen.add(function)
    names = names_in(function.__code__)
    found = [function.__globals__.get(name) for name in names]
    found += closure_values(function)
    if any(name.startswith("shfl_") for name in names) or any(is_one_of(each, SHUFFLES) for each in found):
        return True
    called = [getattr(each, "py_func", None) for each in found]
    return any(_shuffles(each, seen) for each in called if hasattr(each, "__code__") and each not in seen)
