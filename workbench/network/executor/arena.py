"""Where the values of a fused network stand: images with borders of zeros, in the arena of a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Shape
from kernels.fused.lanes import LANES

Integers = NDArray[np.int64]
Border = tuple[int, int, int, int]
"""Top, bottom, left, right."""

NO_BORDER: Border = (0, 0, 0, 0)


@dataclass(kw_only=True)
class Value:
    """What a layer gives, and its gradient, of one layout.

    Attributes
    ----------
    shape : (C, H, W); what is flat has H = W = 1
    width : numbers that an element has, one per sample
    border : pixels of zeros around the image
    pitch : columns that a row has at least; what stands behind the last is undefined
    offset : of the border's first element
    gradient : how far behind the value its gradient stands; 0 where there is none
    relu : ReLU is the last that was done with it
    masked : the layer behind leads gradients back only to what is above zero, so that ReLU need not
    """

    shape: tuple[int, int, int]
    width: int = LANES
    border: Border = NO_BORDER
    pitch: int = 0
    offset: int = 0
    gradient: int = 0
    relu: bool = False
    masked: bool = False

    @property
    def row(self) -> int:
        """From image row to image row."""
        return max(self.shape[2] + self.border[2] + self.border[3], self.pitch) * self.width

    @property
    def channel(self) -> int:
        """From channel to channel."""
        return (self.shape[1] + self.border[0] + self.border[1]) * self.row

    @property
    def size(self) -> int:
        """With its borders."""
        return self.shape[0] * self.channel

    def at(self, h: Any, w: Any) -> Any:
        """Return the offset of a pixel of the first channel, which may lie in the border; h and w may be arrays."""
        return self.offset + (self.border[0] + h) * self.row + (self.border[2] + w) * self.width

    def widen(self, border: Border) -> None:
        """Make the border at least as wide as ``border``."""
        top, bottom, left, right = map(max, self.border, border)
        self.border = (top, bottom, left, right)

    def pixels(self) -> Integers:
        """Return the offset of every element, in row-major order of channels, rows and columns."""
        channels, rows, columns = np.indices(self.shape, dtype=np.int64).reshape(3, -1)
        return np.asarray(self.at(rows, columns) + channels * self.channel, dtype=np.int64)


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """Return the shape of a sample as (C, H, W)."""
    return (prod(shape), 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])


@dataclass
class Tables:
    """Arrays of int64, one behind the other; equal ones stand there once."""

    parts: list[Integers] = field(default_factory=list)
    size: int = 0
    _known: dict[bytes, int] = field(default_factory=dict)

    def add(self, values: Any) -> int:
        """Add an array; give where it starts."""
        part = np.ascontiguousarray(values, dtype=np.int64).ravel()
        key = part.tobytes()
        if key not in self._known:
            self._known[key] = self.size
            self.parts.append(part)
            self.size += part.size
        return self._known[key]

    def array(self) -> Integers:
        """Return all of them."""
        return np.concatenate([*self.parts, np.zeros(1, np.int64)])
