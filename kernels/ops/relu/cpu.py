"""relu on the CPU."""

from typing import Any

from numba import prange
from numpy.typing import NDArray

from kernels.jit import cpu_kernel

Array = NDArray[Any]


@cpu_kernel
def relu_cpu(x: Array, y: Array) -> None:
    """Threads take equal runs of the flattened array."""
    source = x.reshape(x.size)
    target = y.reshape(y.size)
    zero = y.dtype.type(0)
    for i in prange(source.size):
        value = source[i]
        target[i] = zero if value <= zero else value


@cpu_kernel
def relu_backward_cpu(dy: Array, x: Array, dx: Array) -> None:
    """Threads take equal runs of the flattened arrays."""
    gradient = dy.reshape(dy.size)
    source = x.reshape(x.size)
    target = dx.reshape(dx.size)
    zero = dx.dtype.type(0)
    for i in prange(source.size):
        target[i] = zero if source[i] <= zero else gradient[i]
