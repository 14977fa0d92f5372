"""Compile the parts of the language that are written in Python."""

from collections.abc import Callable
from typing import Any

import numba


def helper(function: Callable[..., Any]) -> Any:
    """Compile a function of numbers for kernels."""
    return numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
