"""The memory layout of a fused network's values: images with zero borders, in the arena of a worker."""

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
class LayerValue:
    """The output of a layer, and its gradient, in one layout.

    Attributes
    ----------
    shape : (C, H, W); flat values have H = W = 1
    width : numbers per element, one per sample
    border : pixels of zeros around the image
    pitch : minimum number of columns in a row; the contents after the last column are undefined
    offset : of the border's first element
    gradient : distance from the value to its gradient; 0 if there is none, or if it replaces the value
    relu : whether ReLU was the last operation on it
    masked : whether the next layer passes gradients back only to values above zero, so that ReLU need not
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
        """Distance between image rows."""
        return max(self.shape[2] + self.border[2] + self.border[3], self.pitch) * self.width

    @property
    def channel(self) -> int:
        """Distance between channels."""
        return (self.shape[1] + self.border[0] + self.border[1]) * self.row

    @property
    def size(self) -> int:
        """Size including borders."""
        return self.shape[0] * self.channel

    def at(self, h: Any, w: Any) -> Any:
        """Return the offset of a pixel of the first channel, which may be in the border; h and w may be arrays."""
        return self.offset + (self.border[0] + h) * self.row + (self.border[2] + w) * self.width

    def widen(self, border: Border) -> None:
        """Extend the border to at least ``border``."""
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
class ProgramTables:
    """Concatenated int64 arrays; equal arrays are stored once."""

    parts: list[Integers] = field(default_factory=list)
    size: int = 0
    _known: dict[bytes, int] = field(default_factory=dict)

    def add(self, values: Any) -> int:
        """Add an array and return its start."""
        part = np.ascontiguousarray(values, dtype=np.int64).ravel()
        key = part.tobytes()
        if key not in self._known:
            self._known[key] = self.size
            self.parts.append(part)
            self.size += part.size
        return self._known[key]

    def array(self) -> Integers:
        """Return all arrays, concatenated."""
        return np.concatenate([*self.parts, np.zeros(1, np.int64)])
