"""Augmentation of a whole batch on the CPU; threads take runs of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.augment.resampling import augment_sample, room_of
from kernels.augment.strengths import Warp
from kernels.compile.jit import cpu_kernel
from kernels.compile.partition import unit_count, unit_range
from kernels.compile.philox import WORD

Floats = NDArray[np.float32]

SMALL = 1 << 16
"""Total bytes below which one thread computes: a picture takes longer than moving its data."""


def augment(images: NDArray[Any], warp: Warp, seed: int) -> Floats:
    """Return a batch of pictures augmented.

    Parameters
    ----------
    images : (N, C, H, W), float32, or uint8 that represents 0..1
    warp : for pictures of this size
    seed : 0 <= seed < 2**63; the result is a function of it, of the picture and of its place in the batch
    """
    scaled = images.dtype != np.uint8
    whole = np.ascontiguousarray(images, np.float32 if scaled else np.uint8).reshape(-1).view(np.uint8)
    out = np.empty(images.shape, np.float32)
    if out.size:
        _augment(tuple(warp), seed & WORD, seed >> 32, whole, scaled, len(images), room_of(warp), out.reshape(-1))
    return out


@cpu_kernel(small=SMALL)
def _augment(
    fields: tuple[Any, ...],
    low: int,
    high: int,
    images: NDArray[np.uint8],
    scaled: bool,
    samples: int,
    room: int,
    out: Floats,
) -> None:
    warp = Warp(*fields)
    size = warp.channels * warp.height * warp.width
    for unit in prange(unit_count(samples, 4 * size)):
        memory = np.zeros(room, np.float32)
        first, end = unit_range(unit, samples, 4 * size)
        for n in range(first, end):
            augment_sample(warp, low, high, n, images, scaled, n, memory, out, n * size)
