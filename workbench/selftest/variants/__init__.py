"""Right kernels that add in other orders, or take another way to the same result. The checker must pass every one.

Each is in the calling convention ``fn(*inputs, *options, *outputs)``, for the CPU, right for float32 and float64, for all
options and all special values. What sums, sums products of inputs, each within the bound of
``kernels.declare.rounding.Sum`` for any order; why the forms of softmax and cross-entropy are within theirs is said
where they are.
"""

from __future__ import annotations

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
