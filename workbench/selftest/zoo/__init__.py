"""The zoo: kernels with one planted fault each, mistakes as programmers make them. The checker must catch every one.

Each has the calling convention ``fn(*inputs, *options, *outputs)`` and is right except for its fault.
"""

from workbench.selftest.zoo import cuda, rows, windows
from workbench.selftest.zoo._planting import Faulty, planted

__all__ = ["Faulty", "zoo"]


def zoo() -> tuple[Faulty, ...]:
    """Return every faulty kernel, newly built; those for CUDA only if numba-cuda is installed."""
    on_cuda = planted(cuda.FAULTS, device="cuda") if cuda.INSTALLED else ()
    return (*planted(windows.FAULTS), *planted(rows.FAULTS), *on_cuda)
