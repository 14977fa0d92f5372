"""Input and output of a block of samples: images in, scores and loss out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.fused.lanes import LANES, ZERO, listed
from kernels.simd.pixels import load_pixels
from kernels.simd.tile import load, steps, store, transpose

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@cpu_inline
def load_images(
    step: Any, arena: Floats, tables: Integers, images: NDArray[np.uint8], scaled: bool, chosen: Integers
) -> None:
    """Load the ``chosen`` images side by side, scaled to 0..1; absent ones (fewer than LANES) are zeros.

    Parameters
    ----------
    step : ``channels`` values per image, stored at the offsets in the table ``records``
    images : bytes of all images; those of float32 values if they are already ``scaled``
    chosen : indices of at most LANES images
    """
    size, scratch = step.channels, step.scratch
    floats = images[: images.size if scaled else 0].view(np.float32)
    arena[scratch : scratch + LANES * LANES] = 0
    for first in range(0, size, LANES):
        width = min(LANES, size - first)
        for lane in range(chosen.size):
            start = chosen[lane] * size + first
            own = steps(1, scratch + lane * LANES, 0)
            if width < LANES:
                for pixel in range(width):
                    value = floats[start + pixel] if scaled else np.float32(images[start + pixel]) / np.float32(255)
                    arena[scratch + lane * LANES + pixel] = value
            elif scaled:
                store(load(floats, steps(1, start, 0), ZERO), arena, own, ZERO)
            else:
                store(load_pixels(images, steps(1, start, 0), ZERO), arena, own, ZERO)
        turned = transpose(load(arena, steps(LANES, scratch, LANES), ZERO))
        store(turned, arena, listed(LANES, tables, step.records + first), ZERO)


@cpu_inline
def store_scores(step: Any, arena: Floats, tables: Integers, scores: Floats, samples: int) -> None:
    """Write the scores of the first ``samples`` lanes, sample by sample, into the flat ``scores``."""
    for number in range(step.channels):
        at = tables[step.records + number]
        for lane in range(samples):
            scores[lane * step.channels + number] = arena[at + lane]


@cpu_inline
def softmax(scores: Floats, classes: int) -> None:
    """Convert the flat scores of samples to probabilities, in place."""
    for first in range(0, scores.size, classes):
        most = scores[first]
        for number in range(first + 1, first + classes):
            most = max(most, scores[number])
        total = np.float32(0)
        for number in range(first, first + classes):
            scores[number] = math.exp(scores[number] - most)
            total += scores[number]
        for number in range(first, first + classes):
            scores[number] /= total


@cpu_inline
def cross_entropy(
    step: Any,
    arena: Floats,
    tables: Integers,
    labels: Integers,
    chosen: Integers,
    share: np.float32,
    label_smoothing: float,
) -> tuple[float, int]:
    """Write the gradients; return the sum of a block's losses, and the number of samples whose label has the largest score.

    Parameters
    ----------
    step : ``channels`` scores, at the offsets in the table ``records``
    labels : labels of all images
    chosen : as in ``load_images``
    share : factor of the gradients of a sample's loss; lanes without a sample get zeros
    label_smoothing : the share of the target that all classes have in equal parts
    """
    loss, correct, first = 0.0, 0, step.records
    everywhere = label_smoothing / step.channels
    sharp, of_label = np.float32(1 - label_smoothing), np.float32(1 - (label_smoothing - everywhere))
    for number in range(step.channels):
        for lane in range(chosen.size, LANES):
            arena[tables[first + number] + step.source_gradient + lane] = 0
    for lane in range(chosen.size):
        label, best = labels[chosen[lane]], 0
        most, own = arena[tables[first] + lane], np.float32(np.nan)  # a label beyond the classes makes the loss NaN
        for number in range(step.channels):
            score = arena[tables[first + number] + lane]
            if score > most:
                most, best = score, number
            if number == label:
                own = score
        total, distance = np.float32(0), np.float32(0)
        for number in range(step.channels):
            at = tables[first + number] + lane
            power = np.float32(math.exp(arena[at] - most))
            distance += most - arena[at]
            arena[at + step.source_gradient] = power
            total += power
        for number in range(step.channels):
            at = tables[first + number] + lane + step.source_gradient
            target = of_label if number == label else np.float32(everywhere)
            arena[at] = (arena[at] / total - target) * share
        loss += float(np.float32(math.log(total)) + sharp * (most - own))
        if label_smoothing > 0:
            loss += float(np.float32(everywhere) * distance)
        correct += best == label
    return loss, correct
