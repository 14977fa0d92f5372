"""What the public functions share: the types of their arguments, and a part of their documentation."""

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
out : receives the result and is returned; an array of its shape and dtype on the same device that overlaps no
    input (a tuple of them for several outputs)
device : "cpu", "cuda" or "auto"; None: use_device, then KERNELS_DEVICE, then where the arrays are
stream : a Numba CUDA stream to launch on; None: the default stream

Raises
------
ShapeError, OptionError, DtypeError
    An argument does not fit; the text names it, what came and what is needed.
DeviceUnavailable
    The device asked for is not there; the text says what would bring it.

Notes
-----
Arrays are all float32 or all float64. The reference in kernels/ops/ carries the mathematics and its sources.
"""


def public(function: Function) -> Function:
    """Append to a docstring what all operations share."""
    function.__doc__ = f"{dedent('    ' + (function.__doc__ or '')).rstrip()}\n{_SHARED}"
    return function
