"""Fingerprints of kernels: equal if the source, and all that it reaches, compiles to the same machine code."""

from __future__ import annotations

import enum
import hashlib
import os
import platform
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba import types

from kernels.simt import tile_ir
from workbench.numba_internals.compiling import cpu_target
from workbench.sim.common.modes import Mode
from workbench.sim.compiler.libraries import is_library
from workbench.sim.compiler.overloading import is_overloaded
from workbench.sim.compiler.reaching import Reached, python_function, reach
from workbench.sim.language import TILES

_SOURCES = (Path(__file__).parents[1], Path(__file__).parents[2] / "numba_internals", Path(tile_ir.__file__).parent)
_NEUTRAL = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_ENABLE_CUDASIM"}
"""Numba's environment variables that leave the code of kernels as it is."""


class _UnknownError(Exception):
    """A kernel reaches a value of a kind that has no fingerprint."""


def fingerprint(function: Callable[..., Any], kinds: tuple[Any, ...], mode: Mode) -> str | None:
    """Return the fingerprint of a kernel, for argument types and a mode; None if it reaches values of other kinds.

    Arrays in device memory are such values: the machine code has their addresses.
    """
    reached = reach(function)
    try:
        parts = [surroundings(), mode.name, *(_type(kind, reached) for kind in kinds)]
        parts += [_code(each.__code__, reached) for each in reached.functions]
        parts += [f"{name}={_value(value, reached)}" for name, value in reached.values]
    except _UnknownError:
        return None
    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


@cache
def sources() -> str:
    """Return a digest of the simulator's sources."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def surroundings() -> str:
    """Return what else determines machine code: the processor, the versions and the settings of the compilers."""
    config = numba.config
    settings = [
        config.OPT,
        config.LOOP_VECTORIZE,
        config.SLP_VECTORIZE,
        config.DISABLE_INTEL_SVML,
        config.DEBUGINFO_DEFAULT,
    ]
    given = sorted(
        (name, value) for name, value in os.environ.items() if name.startswith("NUMBA_") and name not in _NEUTRAL
    )
    machine = cpu_target.target_context.codegen().magic_tuple()
    return repr((sources(), platform.python_version(), _versions(), settings, given, machine))


@cache
def _versions() -> tuple[str, ...]:
    return tuple(version(name) for name in ("numba", "llvmlite", "numpy", "numba-cuda"))


def _code(code: CodeType, reached: Reached) -> str:
    """Describe the code of a function, with its place in the source: machine code refers to lines."""
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, code.co_firstlineno
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_name, code.co_filename
    constants = [_constant(each, reached) for each in code.co_consts]
    return repr((code.co_code, code.co_exceptiontable, counts, names, code.co_linetable, constants))


def _constant(value: Any, reached: Reached) -> str:
    if isinstance(value, CodeType):
        return _code(value, reached)
    if isinstance(value, frozenset):
        return repr(sorted(map(repr, value)))
    return repr(value)


def _value(value: Any, reached: Reached) -> str:
    """Describe a value of a global, a free variable or an attribute."""
    if is_overloaded(value):
        raise _UnknownError
    if value is None or (
        isinstance(value, bool | int | float | complex | str | bytes) and not isinstance(value, enum.Enum)
    ):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, np.ndarray | np.generic):
        return _array(np.asarray(value))
    if isinstance(value, tuple):
        parts = [_value(each, reached) for each in value]
        return f"{_class(type(value), reached)}({', '.join(parts)})"
    if isinstance(value, enum.Enum):
        return f"{_class(type(value), reached)}.{value.name}"
    if isinstance(value, np.dtype):
        return f"dtype:{value!r}"
    if isinstance(value, types.Type):
        return _type(value, reached)
    if isinstance(value, type):
        return _class(value, reached)
    if isinstance(value, ModuleType):
        return f"module:{value.__name__}"
    return _function(value, reached)


def _array(array: Any) -> str:
    if array.dtype.hasobject:
        raise _UnknownError
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return f"array:{array.dtype!r}:{array.shape}:{array.strides}:{digest}"


def _class(value: type, reached: Reached) -> str:
    """Describe a class: kernels use the members of enumerations and the fields of named tuples."""
    name = f"{value.__module__}.{value.__qualname__}"
    if issubclass(value, enum.Enum):
        return f"{name}{[(each.name, _value(each.value, reached)) for each in value]}"
    return f"{name}{getattr(value, '_fields', '')}"


def _type(kind: Any, reached: Reached) -> str:
    """Describe a type of Numba, with the Python class that it stands for."""
    inner = [getattr(kind, name) for name in ("instance_class", "instance_type") if hasattr(kind, name)]
    described = [_class(each, reached) for each in inner if isinstance(each, type)]
    parts = [_type(each, reached) for each in kind] if isinstance(kind, types.BaseTuple) else []
    return f"type:{kind}:{described}:{parts}"


def _function(value: Any, reached: Reached) -> str:
    function = python_function(value)
    if function in reached.functions:
        options = getattr(value, "targetoptions", None) or {"inline": getattr(value, "inline", "never")}
        given = repr(getattr(value, "signatures", ())), sorted((name, repr(each)) for name, each in options.items())
        if callable(options.get("inline")) or callable(options.get("pipeline_class")):
            raise _UnknownError
        return f"function:{reached.functions.index(function)}:{given}"
    if isinstance(value, FunctionType) and value in TILES:  # their code belongs to the sources
        return f"tile.{value.__name__}"
    if isinstance(value, FunctionType | BuiltinFunctionType | np.ufunc) or function is not None:
        named = function or value
        module = getattr(named, "__module__", None) or ("numpy" if isinstance(value, np.ufunc) else "builtins")
        if is_library(module):
            return f"{module}.{getattr(named, '__qualname__', named.__name__)}"
    raise _UnknownError
