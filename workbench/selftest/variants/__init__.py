"""Right kernels that add in other orders, or take another way to the same result. The checker must pass every one.

Each is in the calling convention ``fn(*inputs, *options, *outputs)``, for the CPU, right for float32 and float64, for all
options and all special values. What sums, sums products of inputs, each within the bound of
``kernels.declare.rounding.Sum`` for any order; why the forms of softmax and cross-entropy are within theirs is said
where they are.
"""

from dataclasses import dataclass

from workbench.selftest.variants import classification, conv2d, dense, max_pool2d, pool2d, relu
from workbench.selftest.variants._compiling import Kernel
from workbench.selftest.variants.orders import ORDER_NAMES

__all__ = ["Right", "variants"]

_SUMMING = (*conv2d.SUMMING, *dense.SUMMING, *pool2d.SUMMING, *classification.SUMMING)
_OTHERS = (*conv2d.OTHERS, *relu.OTHERS, *max_pool2d.OTHERS, *pool2d.OTHERS, *dense.OTHERS, *classification.OTHERS)


@dataclass(frozen=True, kw_only=True)
class Right:
    """A right kernel.

    Attributes
    ----------
    name : the operation and how it goes about it, unique among the variants
    op : the operation that it computes
    function : the kernel, in the calling convention, for the CPU
    """

    name: str
    op: str
    function: Kernel


def variants() -> tuple[Right, ...]:
    """Return every variant; each is compiled at its first call."""
    summing = [
        Right(name=f"{op}: {ORDER_NAMES[order]}", op=op, function=make(order))
        for op, make, orders in _SUMMING
        for order in orders
    ]
    others = [Right(name=f"{op}: {way}", op=op, function=function) for op, way, function in _OTHERS]
    return (*summing, *others)
