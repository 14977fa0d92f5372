"""Functions that users implement with ``overload``: implementations for CUDA come before those for every target.

Numba's CPU compiler would ignore those for CUDA, and would compile the others without watching their accesses.
"""

import functools
from collections.abc import Callable
from typing import Any

from numba.extending import overload

from workbench.numba_internals.compiling import cpu_target
from workbench.numba_internals.cuda_declarations import cuda_typing_registry
from workbench.numba_internals.type_inference import typing_registry
from workbench.sim.common import facts
from workbench.sim.compiler.libraries import is_library

_ORDER = ("cuda", "gpu", "generic")
"""The targets whose implementations hold for CUDA, the most specific first."""

_stubs: dict[tuple[Any, ...], Callable[..., Any]] = {}


def is_overloaded(value: Any) -> bool:
    """Return whether a user has implemented a function for kernels."""
    return bool(_templates(value))


def overloaded(value: Any, compiler: type) -> Callable[..., Any] | None:
    """Return a function with a user's implementations of another function for kernels; None if there are none.

    Parameters
    ----------
    value : a function
    compiler : the simulator's compiler for the implementations
    """
    found = _templates(value)
    if not found:
        return None
    key = compiler, *dict.fromkeys(each._overload_func for each in found)
    if key not in _stubs:
        _stubs[key] = _stub(value, found, compiler)
    return _stubs[key]


def _templates(value: Any) -> list[Any]:
    """Return Numba's records of a user's implementations of a function that hold for CUDA, those for CUDA first.

    Of a function that Numba knows they matter only if one is for CUDA.
    """
    if not callable(value):
        return []
    kinds = [
        kind
        for registry in (typing_registry, cuda_typing_registry)
        for known, kind in registry.globals
        if known is value
    ]
    found = [each for kind in kinds for each in getattr(kind, "templates", ()) if _is_of_a_user(each, value)]
    found.sort(key=lambda each: _ORDER.index(_target(each)))
    return found if found and (_target(found[0]) != _ORDER[-1] or not _is_of_a_library(value)) else []


def _is_of_a_user(template: Any, value: Any) -> bool:
    """Return whether a user has made a record; ``register_jitable`` makes them for a user's function in Numba's name."""
    make = getattr(template, "_overload_func", None)
    if make is None or _target(template) not in _ORDER:
        return False
    return not is_library(make.__module__ or "") or not _is_of_a_library(value)


def _is_of_a_library(value: Any) -> bool:
    """Return whether a function belongs to a library that Numba knows; NumPy's ufuncs do not name their module."""
    return is_library(getattr(value, "__module__", None) or "numpy")


def _target(template: Any) -> str:
    return str(getattr(template, "metadata", {}).get("target", "generic")).lower()


def _stub(value: Any, templates: list[Any], compiler: type) -> Callable[..., Any]:
    def stub() -> None:
        """Stands for the function in kernels."""

    stub.__name__ = stub.__qualname__ = getattr(value, "__name__", "function")
    for make in dict.fromkeys(each._overload_func for each in templates):
        each = next(one for one in templates if one._overload_func is make)
        options = {name: given for name, given in each._jit_options.items() if name != "inline"}
        options |= {"pipeline_class": compiler, "error_model": "numpy"}
        inline = each._inline.value
        overload(stub, options, strict=False, inline=inline, prefer_literal=each.prefer_literal)(_noted(make, stub))
    if _is_of_a_library(value):  # for other types, Numba's own implementation
        overload(stub, strict=False)(lambda *arguments: lambda *arguments: value(*arguments))
    cpu_target.typing_context.refresh()  # a kernel is being compiled, which looks them up before the next refresh
    return stub


def _noted(make: Callable[..., Any], stub: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes implementations, and notes that the stub calls them."""

    @functools.wraps(make)
    def noted(*arguments: Any, **named: Any) -> Any:
        made = make(*arguments, **named)
        function = made[1] if isinstance(made, tuple) else made
        if function is not None:
            facts.of(stub).calls.add(function)
        return made

    return noted
