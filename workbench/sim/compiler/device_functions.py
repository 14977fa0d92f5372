"""Compile kernels and device functions for the simulator, once for every compiler and set of signatures."""

import dis
from collections.abc import Callable, Container
from types import CodeType
from typing import Any

import numba

from workbench.numba_internals.errors import UnsupportedError
from workbench.numba_internals.representation import ir
from workbench.sim.compiler.signatures import Signature

OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_functions: dict[tuple[Any, tuple[Signature, ...], type, Any], Any] = {}


def device_function(
    function: Callable[..., Any], signatures: tuple[Signature, ...] = (), *, compiler: type, inline: Any = "never"
) -> Any:
    """Return a function compiled for the simulator.

    Parameters
    ----------
    function : a kernel or a device function
    signatures : its arguments are converted to these; without any, it is compiled for the types of each call
    compiler : the simulator's compiler for it and the device functions that it calls
    inline : whether callers inline it, in Numba's words: "never", "always", or a function that decides
    """
    key = function, signatures, compiler, inline
    if key not in _functions:
        _refuse_statements(function.__code__)
        _functions[key] = made = numba.njit(pipeline_class=compiler, inline=inline, **OPTIONS)(function)
        for each in signatures:  # already known when a function calls itself
            made.compile(each.arguments if each.result is None else each.result(*each.arguments))
        if signatures:
            made.disable_compile()
    return _functions[key]


def forget(functions: Container[Callable[..., Any]]) -> None:
    """Compile some functions anew when they are used again: Numba remembers what it failed to compile."""
    for key in [each for each in _functions if each[0] in functions]:
        del _functions[key]


def is_compiled_here(dispatcher: Any) -> bool:
    """Return whether ``device_function`` compiled a dispatcher."""
    return any(dispatcher is each for each in _functions.values())


def _refuse_statements(code: CodeType) -> None:
    """Refuse what the CUDA compiler cannot compile, in words that say what to do: Numba names its bytecode at most."""
    instructions = list(dis.get_instructions(code))
    for place, each in enumerate(instructions):
        if each.opname == "IMPORT_NAME":
            what = f"import {each.argval} inside a kernel is not supported; import it at the top of the file"
        elif each.opname == "PUSH_EXC_INFO":
            what = "try and with inside a kernel are not supported on CUDA; test for the error with if"
        else:
            continue
        lines = (after.positions.lineno for after in instructions[place:] if after.positions)
        raise UnsupportedError(what, loc=ir.Loc(code.co_filename, next(filter(None, lines), code.co_firstlineno)))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _refuse_statements(constant)
