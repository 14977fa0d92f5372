"""Compile the runtime: plain integer code, each function once, with the entry points cached on disk."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numba

from kernels.compile.disk_cache import cache_keyed_by
from workbench.numba_internals.compiling import CFunc, event

Function = TypeVar("Function", bound=Callable[..., Any])

_TYPES = {"int": numba.types.int64, "bool": numba.types.boolean, "None": numba.types.none}
_OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def runtime(function: Function) -> Function:
    """Compile a function for other runtime functions, for the types of its annotations."""
    compiled: Any = numba.njit(**_OPTIONS)(function)
    _WAITING.append(compiled)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a small function that LLVM must inline: a Numba call costs more than its body."""
    compiled: Any = numba.njit(forceinline=True, _nrt=False, **_OPTIONS)(function)
    _WAITING.append(compiled)
    return compiled


def entry(function: Callable[..., Any]) -> int:
    """Compile a function for callers in machine code, and return its address in the C calling convention."""
    compiled = _Entry(function, (_arguments(function), _result(function)), locals={}, options={"error_model": "numpy"})
    compiled._cache = cache_keyed_by(function, Path(__file__).parent)  # type: ignore[attr-defined]
    compiled.compile()
    _KEPT.append(compiled)
    return int(compiled.address or 0)


@contextmanager
def announced(name: str) -> Iterator[None]:
    """Report one compilation of this name to observers of Numba, if anything inside is not found on disk."""
    with ExitStack() as stack:
        _ANNOUNCEMENTS.append((stack, name))
        try:
            yield
        finally:
            _ANNOUNCEMENTS.clear()


class _Entry(CFunc):
    def _compile_uncached(self) -> Any:
        while _ANNOUNCEMENTS:
            stack, name = _ANNOUNCEMENTS.pop()
            named = SimpleNamespace(py_func=SimpleNamespace(__name__=name))
            stack.enter_context(event.trigger_event("numba:compile", data={"dispatcher": named}))
        _fix_types()
        return CFunc._compile_uncached(self)  # type: ignore[attr-defined]


def _fix_types() -> None:
    """Restrict every function to its annotated types: compiling it again for each constant took twice as long."""
    while _WAITING:
        compiled = _WAITING.pop(0)
        compiled.compile(_result(compiled.py_func)(*_arguments(compiled.py_func)))
        compiled.disable_compile()


def _arguments(function: Callable[..., Any]) -> tuple[Any, ...]:
    return tuple(_TYPES[each.annotation] for each in inspect.signature(function).parameters.values())


def _result(function: Callable[..., Any]) -> Any:
    return _TYPES[str(inspect.signature(function).return_annotation)]


_WAITING: list[Any] = []
_ANNOUNCEMENTS: list[tuple[ExitStack, str]] = []
_KEPT: list[Any] = []
"""Keeps the compiled objects, and so their machine code, alive."""
