"""Compile kernels and device functions for the simulator, once for every compiler and set of signatures."""

from collections.abc import Callable
from typing import Any

import numba

from workbench.sim.compiler.signatures import Signature

OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_functions: dict[tuple[Any, tuple[Signature, ...], type], Any] = {}


def device_function(function: Callable[..., Any], signatures: tuple[Signature, ...] = (), *, compiler: type) -> Any:
    """Return a function compiled for the simulator.

    Parameters
    ----------
    function : a kernel or a device function
    signatures : its arguments are converted to these; without any, it is compiled for the types of each call
    compiler : the simulator's compiler for it and the device functions that it calls
    """
    key = function, signatures, compiler
    if key not in _functions:
        _functions[key] = made = numba.njit(pipeline_class=compiler, **OPTIONS)(function)
        for each in signatures:  # already known when a function calls itself
            made.compile(each.arguments if each.result is None else each.result(*each.arguments))
        if signatures:
            made.disable_compile()
    return _functions[key]


def is_compiled_here(dispatcher: Any) -> bool:
    """Return whether ``device_function`` compiled a dispatcher."""
    return any(dispatcher is each for each in _functions.values())
