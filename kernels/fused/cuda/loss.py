"""The loss of one sample, its gradient, and whether it is classified correctly."""

import math
from typing import Any

from numba import cuda, int64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import device_program as at
from kernels.simt.warp_sum import largest_of_warp, sum_of_warp

Floats = NDArray[Any]
Step = NDArray[Any]


@cuda_device
def cross_entropy(
    step: Step, arena: Floats, label: int, smoothing: Any, share: Any, place: int, losses: Floats, correct: NDArray[Any]
) -> None:
    """Write the loss and whether the label has the first of the largest scores; and the gradients: the first warp does.

    Parameters
    ----------
    label : a label beyond the classes makes the loss NaN
    smoothing : the share of the target that all classes have in equal parts
    share : factor of the gradients
    place : where the loss goes
    """
    classes, lane, number = int64(step[at.CHANNELS]), cuda.threadIdx.x, arena.dtype.type
    if lane < 32:
        scores, one = int64(step[at.SOURCE]), number(1)
        most = number(-math.inf)
        for k in range(lane, classes, 32):
            most = max(most, arena[scores + k])
        most = largest_of_warp(most)
        total, distance, before = number(0), number(0), number(0)
        for k in range(lane, classes, 32):
            below = most - arena[scores + k]
            total += math.exp(-below)
            distance += below
            before += one if k < label and arena[scores + k] == most else number(0)
        total, distance, before = sum_of_warp(total), sum_of_warp(distance), sum_of_warp(before)
        everywhere = smoothing / number(classes)
        for k in range(lane, classes, 32):
            target = everywhere + (one - smoothing if k == label else number(0))
            power = math.exp(arena[scores + k] - most)
            gradient = (power / total - target) * share
            if step[at.MASKED] != 0 and arena[scores + k] <= number(0):
                gradient = number(0)
            arena[scores + k + int64(step[at.SOURCE_GRADIENT])] = gradient
        if lane == 0:
            own = arena[scores + label] if 0 <= label < classes else number(math.nan)
            loss = math.log(total) + (one - smoothing) * (most - own)
            losses[place] = loss + everywhere * distance if smoothing > number(0) else loss
            correct[place] = 1 if own == most and before == number(0) else 0


@cuda_device
def store_scores(step: Step, arena: Floats, number: int, scores: Floats) -> None:
    """Write the scores of a sample, those of all samples one after the other."""
    classes = int64(step[at.CHANNELS])
    for k in range(cuda.threadIdx.x, classes, cuda.blockDim.x):
        scores[number * classes + k] = arena[int64(step[at.SOURCE]) + k]
