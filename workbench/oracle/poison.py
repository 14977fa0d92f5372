"""What outputs hold before a call, so that an element that is never written, or read first, shows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

POISONS = (np.nan, -12345.678)
"""The contents of outputs of floats before the first and the second call."""

PATTERNS = (0xA5, 0x3C)
"""The bytes of outputs of integers before these calls. No integer can be no result: two calls must differ."""


def poison_of(dtype: np.dtype[Any], poison: float) -> Any:
    """Return what an output of a dtype holds before the call that has a poison of POISONS."""
    if dtype.kind == "f":
        return dtype.type(poison)
    pattern = PATTERNS[0] if np.isnan(poison) else PATTERNS[1]
    return np.frombuffer(bytes([pattern] * dtype.itemsize), dtype)[0]


def poisoned(shape: tuple[int, ...], dtype: np.dtype[Any], poison: float) -> NDArray[Any]:
    """Return a new output, filled with a poison of POISONS."""
    return np.full(shape, poison_of(dtype, poison), dtype)
