"""Memory on a CUDA device for results that a kernel leaves to the next one."""

from typing import Any

import numpy as np

from kernels.compile.jit import current_stream
from kernels.memory.devices import Array, in_simulator

_held: dict[tuple[Any, Any, str], Array] = {}


def scratch(count: int, dtype: np.dtype[Any]) -> Array:
    """Return ``count`` elements with undefined values, for kernels on the current stream.

    The next call on the same stream may return the same memory: kernels of a stream run one after the other. What is held is
    as large as the largest request, and never given back.
    """
    from numba import cuda

    if in_simulator():  # it watches who reads what nobody has written
        made: Array = cuda.device_array(count, dtype)
        return made
    stream = current_stream()
    key = cuda.get_current_device(), getattr(stream, "handle", stream), dtype.str
    if key not in _held or _held[key].size < count:
        _held[key] = cuda.device_array(count, dtype)
    held = _held[key]
    return held if held.size == count else held[:count]
