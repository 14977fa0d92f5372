"""The public functions. Each one validates its arguments, chooses a device, and calls implementations of its operation.

Arrays are NumPy arrays or objects that offer ``__array__``, ``__array_interface__``, host DLPack or
``__cuda_array_interface__``; inputs are never modified. Window options are an int or (height, width); ``padding`` may also
be ((top, bottom), (left, right)), "valid" or "same" (stride 1 only; the extra pixel goes at the end).
"""

from kernels.functions.activation import relu, relu_backward
from kernels.functions.classification import cross_entropy, cross_entropy_backward, softmax, softmax_backward
from kernels.functions.convolution import conv2d, conv2d_backward
from kernels.functions.linear import dense, dense_backward
from kernels.functions.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    sum_pool2d,
    sum_pool2d_backward,
)

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv2d",
    "conv2d_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dense",
    "dense_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_backward",
    "sum_pool2d",
    "sum_pool2d_backward",
]
