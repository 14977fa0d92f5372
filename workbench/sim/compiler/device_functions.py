"""Functions compiled for the simulator: kernels and device functions, each once for every compiler and set of signatures."""

from __future__ import annotations

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
    signatures : to which arguments are converted; without any it is compiled for the types that it is called with
    compiler : the simulator's pipeline that compiles it and the device functions that it calls
    """
    key = function, signatures, compiler
    if key not in _functions:
        _functions[key] = made = numba.njit(pipeline_class=compiler, **OPTIONS)(function)
        for each in signatures:  # known by now, to a function that calls itself
            made.compile(_numba_signature(each))
        if signatures:
            made.disable_compile()
    return _functions[key]


def is_compiled_here(dispatcher: Any) -> bool:
    """Whether something was compiled by ``device_function``."""
    return any(dispatcher is each for each in _functions.values())


def _numba_signature(told: Signature) -> Any:
    return told.arguments if told.result is None else told.result(*told.arguments)
