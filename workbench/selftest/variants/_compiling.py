"""How the variants are compiled: each function at its first call."""

from collections.abc import Callable
from typing import Any

import numba
from numpy.typing import NDArray

Array = NDArray[Any]
Kernel = Callable[..., None]
Other = tuple[str, str, Kernel]
"""(operation, method, kernel)"""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without fastmath, for one thread."""
    dispatcher: Callable[..., Any] = numba.njit(error_model="numpy")(function)
    return dispatcher


def with_fma(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with a*b + c contracted to one FMA, if the machine has it."""
    dispatcher: Callable[..., Any] = numba.njit(error_model="numpy", fastmath={"contract"})(function)
    return dispatcher
