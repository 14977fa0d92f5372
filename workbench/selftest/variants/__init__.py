"""Right kernels that sum in other orders or use other algorithms. The checker must pass every one.

Each has the calling convention ``fn(*inputs, *options, *outputs)``, runs on the CPU, and is right for float32 and float64,
all options and all special values. Sums of products of inputs are within the bound of ``kernels.declare.rounding.Sum`` in
any order. Why the variants of softmax and cross-entropy are within their bounds is explained in their modules.
"""

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from workbench.selftest.variants._compiling import Kernel, Other
from workbench.selftest.variants.orders import ORDER_NAMES, Summing

__all__ = ["Right", "variants"]

_MODULES = [import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)]
"""All in this folder, by name; ``SUMMING`` and ``OTHERS`` are what a module has of variants."""

_SUMMING: list[Summing] = [each for module in _MODULES for each in getattr(module, "SUMMING", ())]
_OTHERS: list[Other] = [each for module in _MODULES for each in getattr(module, "OTHERS", ())]


@dataclass(frozen=True, kw_only=True)
class Right:
    """A right kernel.

    Attributes
    ----------
    name : the operation and the method, unique among the variants
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
