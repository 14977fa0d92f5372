"""The zoo: kernels with one planted fault each, as people make them. The checker must catch every one.

Each is in the calling convention ``fn(*inputs, *options, *outputs)`` and would be right but for its fault.
"""

from workbench.selftest.zoo import cuda, rows, windows
from workbench.selftest.zoo._planting import Faulty, planted

__all__ = ["Faulty", "zoo"]


def zoo() -> tuple[Faulty, ...]:
    """Return every faulty kernel, to be built afresh; those for CUDA only where Numba's CUDA is installed."""
    on_cuda = planted(cuda.FAULTS, device="cuda") if cuda.INSTALLED else ()
    return (*planted(windows.FAULTS), *planted(rows.FAULTS), *on_cuda)
