"""Scalar rules of pooling, shared by the CPU and the CUDA kernels."""

from kernels.compile.indexing import valid_range
from kernels.compile.jit import scalar


@scalar
def replaces(value: float, best: float) -> bool:
    """Return whether ``value`` replaces ``best`` as the maximum: larger, or the first NaN. Ties keep the first."""
    return value > best or (value != value and best == best)


@scalar
def averaged_taps(start: int, dilation: int, kernel: int, size: int, before: int, after: int, padded: bool) -> int:
    """Count the taps of a window at ``start`` that an average divides by, along one axis.

    With ``padded``, counts those inside the padded input [-before, size + after); otherwise those inside the input.
    """
    if padded:
        first, last = valid_range(start + before, dilation, kernel, size + before + after)
    else:
        first, last = valid_range(start, dilation, kernel, size)
    return last - first
