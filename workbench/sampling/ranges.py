"""Values of inputs that declare a range, or integers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Input, Shape

WIDEST = 2**31
"""Integers without a declared range are smaller than this: sums of them are far from overflowing."""


def draw_integers(rng: np.random.Generator, family: str, shape: Shape, item: Input) -> NDArray[Any]:
    """Return integers of an input's dtype and range, as a family of values has them."""
    dtype = item.own_dtype
    assert dtype is not None
    limits = np.iinfo(dtype)
    low = max(int(limits.min), -WIDEST) if item.low is None else int(np.ceil(item.low))
    high = min(int(limits.max), WIDEST) if item.high is None else int(np.floor(item.high))
    if family == "constant":
        values = np.full(shape, rng.integers(low, high, endpoint=True))
    elif family == "impulse":
        values = np.full(shape, min(max(0, low), high))
        if values.size:
            values.reshape(-1)[rng.integers(values.size)] = high
    elif family == "integers":
        values = np.clip(rng.integers(-3, 4, shape), low, high)
    elif family in ("special", "wide", "offset"):
        ends = sorted({low, min(low + 1, high), (low + high) // 2, max(high - 1, low), high})
        values = rng.choice(ends, shape)
    else:
        values = rng.integers(low, high, shape, endpoint=True)
    return np.asarray(values, dtype)


def into_range(values: NDArray[Any], item: Input) -> NDArray[Any]:
    """Reflect values at the ends of an input's range until they lie in it; those inside stay."""
    low, high = item.low, item.high
    if low is None and high is None:
        return values
    wide = values.astype(np.float64)
    if low is not None and high is not None:
        span = high - low
        wide = low + np.abs((wide - low + span) % (2 * span) - span) if span > 0 else np.full_like(wide, low)
    elif low is not None:
        wide = low + np.abs(wide - low)
    elif high is not None:
        wide = high - np.abs(high - wide)
    return np.clip(wide, low, high).astype(values.dtype)
