"""How the runtime is compiled: plain integer code, each function once, the entries kept on disk."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numba
from numba.core import event
from numba.core.ccallback import CFunc

from kernels.compile.disk_cache import cache_keyed_by

Function = TypeVar("Function", bound=Callable[..., Any])

_TYPES = {"int": numba.types.int64, "bool": numba.types.boolean, "None": numba.types.none}
_OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def runtime(function: Function) -> Function:
    """Compile a function that others of the runtime call, for the types of its annotations."""
    compiled: Any = numba.njit(**_OPTIONS)(function)
    _WAITING.append(compiled)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a small function that LLVM must inline: a call of Numba's costs more than what it does."""
    compiled: Any = numba.njit(forceinline=True, _nrt=False, **_OPTIONS)(function)
    _WAITING.append(compiled)
    return compiled


def entry(function: Callable[..., Any]) -> int:
    """Compile a function for callers in machine code, and give its address in C's convention."""
    compiled = _Entry(function, (_arguments(function), _result(function)), locals={}, options={"error_model": "numpy"})
    compiled._cache = cache_keyed_by(function, Path(__file__).parent)
    compiled.compile()
    _KEPT.append(compiled)
    return int(compiled.address or 0)


@contextmanager
def announced(name: str) -> Iterator[None]:
    """Tell those who watch Numba compile of one function of this name, if anything inside is not found on disk."""
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
        return CFunc._compile_uncached(self)


def _fix_types() -> None:
    """Let every function have the types of its annotations only: compiled for each constant anew it took twice as long."""
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
"""Machine code lives as long as what it was made by."""
