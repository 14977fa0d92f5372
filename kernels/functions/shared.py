"""Shared parts of the public functions: argument types and common documentation."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any, TypeVar

ArrayLike = Any
"""A NumPy array, or an object that offers one of the array protocols which the package's docstring lists."""
Array = Any
"""A NumPy array for host inputs, a Numba device array for device inputs."""
Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str


Function = TypeVar("Function", bound=Callable[..., Any])

_SHARED = """
Other Parameters
----------------
out : array that receives the result and is returned; it has the result's shape and dtype, is on the same device and
    overlaps no input (a tuple of such arrays for several outputs)
device : "cpu", "cuda" or "auto"; None: as set by use_device, else by KERNELS_DEVICE, else the device of the arrays
stream : a Numba CUDA stream to launch on; None: the default stream

Raises
------
ShapeError, OptionError, DtypeError
    An argument is invalid; the message names it, the value received and the value required.
DeviceUnavailable
    The requested device is not available; the message says how to make it available.

Notes
-----
All arrays are float32, or all are float64. The reference in kernels/ops/ documents the mathematics and its sources.
"""


def public(function: Function) -> Function:
    """Append the documentation that all operations share."""
    function.__doc__ = f"{dedent('    ' + (function.__doc__ or '')).rstrip()}\n{_SHARED}"
    return function
