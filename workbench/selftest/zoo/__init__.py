"""The zoo: kernels with one planted fault each, written as a user would write them. The checker must catch every one.

Each is in the calling convention ``fn(*inputs, *options, *outputs)`` and would be right but for its fault. Nothing is
compiled, and nothing that a kernel remembers between calls exists, before ``zoo`` is called.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.selftest.zoo import (
    avg_pool2d,
    classification,
    conv2d,
    conv2d_backward,
    cuda,
    dense,
    max_pool2d,
    relu,
    sum_pool2d,
)
from workbench.selftest.zoo._planting import Kernel

__all__ = ["Faulty", "zoo"]

_FAMILIES = (conv2d, conv2d_backward, relu, max_pool2d, avg_pool2d, sum_pool2d, dense, classification)


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """A kernel with one fault.

    Attributes
    ----------
    name : the operation and what is wrong, unique in the zoo
    op : the operation that it claims to compute
    device : "cpu" (njit or plain Python) or "cuda" (to be run in the simulator)
    fault : the category of the fault
    function : the kernel, in the calling convention
    """

    name: str
    op: str
    device: str
    fault: str
    function: Kernel


def zoo() -> tuple[Faulty, ...]:
    """Return every faulty kernel, built afresh, as yet uncompiled; those for CUDA only where Numba's CUDA is installed."""
    families = (*_FAMILIES, cuda) if cuda.INSTALLED else _FAMILIES
    return tuple(
        Faulty(name=f"{plan.op}: {plan.what}", op=plan.op, device=plan.device, fault=plan.fault, function=plan.build())
        for family in families
        for plan in family.FAULTS.plans
    )
