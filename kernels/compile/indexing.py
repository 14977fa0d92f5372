"""Index arithmetic of sliding windows, shared by the CPU and the CUDA kernels.

Along one axis, tap ``k`` of window ``i`` reads the input position ``i*stride + k*dilation - padding``.
All loop bounds of all windowed kernels follow from the two functions here.
"""

from kernels.compile.jit import scalar


@scalar
def valid_range(offset: int, step: int, count: int, size: int) -> tuple[int, int]:
    """Return the range [first, last) of i in [0, count) for which offset + i*step lies in [0, size).

    Over windows (step = stride) it gives the outputs that read real input through a tap; over taps (step = dilation)
    the taps of a window that read real input. Padding is never read, so an Inf or NaN weight over it adds nothing.
    """
    first = 0 if offset >= 0 else (step - 1 - offset) // step
    last = 0 if offset >= size else (size - offset + step - 1) // step
    return first, max(first, min(last, count))


@scalar
def window_at(position: int, stride: int, count: int) -> int:
    """Return the window i in [0, count) with i*stride == position, or -1 if there is none.

    For the gradient with respect to an input position p through tap k, ``position`` is p + padding - k*dilation.
    """
    if position < 0 or position % stride != 0 or position // stride >= count:
        return -1
    return position // stride
