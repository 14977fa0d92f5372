"""Numba kernels for convolution, ReLU, pooling, dense layers and softmax, forward and backward, on CPU and CUDA."""

from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from kernels.call.dispatch import adopt
from kernels.call.explain import explain
from kernels.call.planning import use_device
from kernels.call.registry import OPS, implementations, register
from kernels.compile.environment import check_environment
from kernels.declare.array_types import ArrayLike, DeviceArray
from kernels.declare.errors import DeviceUnavailable, DtypeError, KernelsError, OptionError, ShapeError
from kernels.declare.op import Implementation, Op
from kernels.functions.activation import relu, relu_backward
from kernels.functions.classification import cross_entropy, cross_entropy_backward, softmax, softmax_backward
from kernels.functions.convolution import conv2d, conv2d_backward
from kernels.functions.linear import dense, dense_backward
from kernels.functions.normalization import batch_norm, batch_norm_backward, batch_norm_inference
from kernels.functions.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    sum_pool2d,
    sum_pool2d_backward,
)
from kernels.functions.regularization import dropout, dropout_backward
from kernels.installation import warn_of_rival
from kernels.memory.devices import CPU, get_device, is_device_array

__all__ = [
    "OPS",
    "DeviceArray",
    "DeviceUnavailable",
    "DtypeError",
    "Implementation",
    "KernelsError",
    "Op",
    "OptionError",
    "ShapeError",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "conv2d",
    "conv2d_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dense",
    "dense_backward",
    "dropout",
    "dropout_backward",
    "explain",
    "implementations",
    "max_pool2d",
    "max_pool2d_backward",
    "register",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_backward",
    "sum_pool2d",
    "sum_pool2d_backward",
    "to_device",
    "to_host",
    "use_device",
]

T = TypeVar("T", bound=np.generic)

check_environment()
warn_of_rival()


def to_device(a: ArrayLike) -> DeviceArray:
    """Copy an array to the CUDA device; a device array is returned without a copy.

    Raises
    ------
    DeviceUnavailable
        CUDA kernels cannot run here.
    """
    cuda = get_device("cuda")
    array = a if is_device_array(a) else cuda.from_host(np.asarray(adopt("to_device", CPU, "a", a), order="C"))
    adopted: DeviceArray = cuda.adopt(array)
    return adopted


@overload
def to_host(a: NDArray[T]) -> NDArray[T]: ...
@overload
def to_host(a: ArrayLike) -> NDArray[Any]: ...
def to_host(a: Any) -> NDArray[Any]:
    """Copy a device array to the host after all work on it is done; a host array is returned without a copy."""
    if not is_device_array(a):
        return CPU.to_host(adopt("to_host", CPU, "a", a))
    cuda = get_device("cuda")
    return cuda.to_host(cuda.adopt(a))
