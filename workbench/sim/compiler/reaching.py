"""What a kernel reaches: the functions that it calls, and the values of the names that they use."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any

from workbench.sim.compiler.libraries import is_library, is_library_function
from workbench.system.python_code import cell_values, names_in


@dataclass
class Reached:
    """What a kernel reaches.

    Attributes
    ----------
    functions : the kernel and the Python functions that it calls, directly or through others
    values : the values of their globals, free variables and defaults, and of the attributes of modules, by name
    """

    functions: list[FunctionType] = field(default_factory=list)
    values: list[tuple[str, Any]] = field(default_factory=list)


def reach(function: Any) -> Reached:
    """Return what a kernel reaches, in an order that depends on its source alone."""
    found, left = Reached(), [function]
    while left:
        each = left.pop(0)
        if each in found.functions or (each is not function and is_library_function(each)):
            continue
        found.functions.append(each)
        for name, value in _named_values(each):
            found.values.append((name, value))
            called = python_function(value)
            if called is not None:
                left.append(called)
    return found


def python_function(value: Any) -> Any:
    """Return the Python function of a kernel, a device function or a compiled function; None for other values."""
    found = getattr(value, "py_func", None) or getattr(value, "fn", None)
    return found if isinstance(found, FunctionType) else None


def _named_values(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the values that a function uses, by name."""
    attributes = sorted(names_in(function.__code__))
    named: list[tuple[str, Any]] = []
    for name in sorted(globals_in(function.__code__)):
        if name in function.__globals__:
            named.append((name, function.__globals__[name]))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        named += [(name, value) for value in cell_values(cell)]
    named += [("defaults", each) for each in function.__defaults__ or ()]
    modules: list[ModuleType] = []
    while named:
        name, value = named.pop(0)
        yield name, value
        if isinstance(value, ModuleType) and not is_library(value.__name__) and value not in modules:
            modules.append(value)
            named += [(f"{name}.{each}", vars(value)[each]) for each in attributes if each in vars(value)]


def globals_in(code: CodeType) -> set[str]:
    """Return the names of globals that code loads, including functions defined in it."""
    own = {str(each.argval) for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    nested = (globals_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return own.union(*nested)
