"""ReLU, dropout and the loading of an image, for one sample by a block of threads."""

from typing import Any

from numba import cuda, int64, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.compile.philox import DROPOUT, WORD, derived_key, philox
from kernels.fused.cuda import device_program as at
from kernels.fused.cuda.device_convolution import divided
from kernels.fused.cuda.device_program import Sample

Floats = NDArray[Any]
Step = NDArray[Any]

WIDTH, RUN = 16, 64
"""As in ``kernels.ops.dropout``: neighbours that have the same word of neighbouring counters, and what four words make."""


@cuda_device
def source_of(step: Step, item: int) -> Any:
    """Return where an element of the source is, by its number in the order of channels, rows and columns."""
    channel, pixel = divided(uint64(item), step[at.HEIGHT] * step[at.WIDTH])
    row, column = divided(pixel, step[at.WIDTH])
    return step[at.SOURCE] + channel * step[at.SOURCE_CHANNEL] + row * step[at.SOURCE_ROW] + column


@cuda_device
def target_of(step: Step, item: int) -> Any:
    """Return where an element of a target of the same shape is."""
    channel, pixel = divided(uint64(item), step[at.HEIGHT] * step[at.WIDTH])
    row, column = divided(pixel, step[at.WIDTH])
    return step[at.TARGET] + channel * step[at.TARGET_CHANNEL] + row * step[at.TARGET_ROW] + column


@cuda_device
def size_of(step: Step) -> Any:
    """Return the number of elements of the source."""
    return int64(step[at.CHANNELS] * step[at.HEIGHT] * step[at.WIDTH])


@cuda_device
def load_image(step: Step, arena: Floats, images: NDArray[Any], divisor: Any, number: int) -> None:
    """Write an image, divided by the value that counts as 1, to the source."""
    size = size_of(step)
    for item in range(cuda.threadIdx.x, size, cuda.blockDim.x):
        arena[source_of(step, item)] = arena.dtype.type(images[number * size + item]) / divisor


@cuda_device
def relu(step: Step, arena: Floats) -> None:
    """Replace elements that are not above 0 by 0, in place; NaN stays NaN."""
    for item in range(cuda.threadIdx.x, size_of(step), cuda.blockDim.x):
        place = source_of(step, item)
        if arena[place] <= 0:
            arena[place] = 0


@cuda_device
def dropout(step: Step, arena: Floats, factor: Any, sample: Sample) -> None:
    """Y = x * factor where the element is kept, else 0; what is kept is what ``kernels.dropout`` keeps."""
    size, zero = size_of(step), arena.dtype.type(0)
    low, high = derived_key(sample.low, sample.high, sample.taken, int64(step[at.LAYER]), DROPOUT)
    for counter in range(cuda.threadIdx.x, (size + RUN - 1) // RUN * WIDTH, cuda.blockDim.x):
        words = philox(counter & WORD, counter >> 32, sample.number & WORD, sample.number >> 32, low, high)
        first = counter // WIDTH * RUN + counter % WIDTH
        for number in range(4):
            item = first + number * WIDTH
            if item < size:
                kept = factor if words[number] >= int64(step[at.LEAST]) else zero
                arena[step[at.KEPT] + uint64(item)] = kept
                arena[target_of(step, item)] = arena[source_of(step, item)] * factor if kept != zero else zero


@cuda_device
def dropout_backward(step: Step, arena: Floats) -> None:
    """Dx = dy * factor where the element was kept, else 0."""
    zero = arena.dtype.type(0)
    for item in range(cuda.threadIdx.x, size_of(step), cuda.blockDim.x):
        kept, place = arena[step[at.KEPT] + uint64(item)], source_of(step, item)
        value = arena[target_of(step, item) + step[at.TARGET_GRADIENT]] * kept if kept != zero else zero
        if step[at.MASKED] != 0 and arena[place] <= zero:
            value = zero
        arena[place + step[at.SOURCE_GRADIENT]] = value
