"""Tables of a convolution: which pixels a tile takes side by side, and which taps of the filters reach the image there.

Taps that lie in the padding for all pixels of a tile are left out; where they do for some, these read zeros in the border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.fused.convolution import RECORD
from kernels.tile import COLUMNS
from workbench.executors.memory import Border, Tables, Value

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A convolution's filters and options in normal form, and the sizes (height, width) of what it reads and writes."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    source: tuple[int, int]
    target: tuple[int, int]

    @property
    def border(self) -> Border:
        """What is read around the image."""
        (top, bottom), (left, right) = self.padding
        return (top, bottom, left, right)

    def read_by(self, axis: int, outputs: Integers) -> tuple[Integers, NDArray[np.bool_]]:
        """Give what outputs read along an axis, by tap (outputs, taps), and whether it is in the image."""
        taps = np.arange(self.kernel[axis]) * self.dilation[axis]
        places = outputs[:, None] * self.stride[axis] - self.padding[axis][0] + taps
        return places, (places >= 0) & (places < self.source[axis])

    def read_from(self, axis: int, inputs: Integers) -> tuple[Integers, NDArray[np.bool_]]:
        """Give which outputs read inputs along an axis, by tap (inputs, taps), and whether there is such an output."""
        taps = np.arange(self.kernel[axis]) * self.dilation[axis]
        scaled = inputs[:, None] + self.padding[axis][0] - taps
        places = scaled // self.stride[axis]
        return places, (scaled % self.stride[axis] == 0) & (places >= 0) & (places < self.target[axis])


def forward_records(window: Window, tables: Tables, source: Value, target: Value) -> tuple[int, int]:
    """Make the records of ``kernels.fused.convolution.correlate``; give where they start and their number.

    Tiles go over the pixels in row-major order, across the ends of rows; the last takes its last pixel again.
    """
    height, width = window.target
    numbers = np.minimum(np.arange(-(-height * width // COLUMNS) * COLUMNS), height * width - 1).reshape(-1, COLUMNS)
    rows, columns = numbers // width, numbers % width
    _, inside_rows = window.read_by(0, np.arange(height))
    _, inside_columns = window.read_by(1, np.arange(width))
    (top, _), (left, _) = window.padding
    down, across = np.indices(window.kernel)
    offsets = (down * window.dilation[0] * source.row + across * window.dilation[1] * _lanes(source)).ravel()
    reads = source.at(rows * window.stride[0] - top, columns * window.stride[1] - left)
    reached = (inside_rows[rows][..., :, None] & inside_columns[columns][..., None, :]).any(axis=1)
    lists = np.broadcast_to(offsets, (len(numbers), offsets.size))
    return _records(tables, reads, target.at(rows, columns), lists, reached.reshape(len(numbers), -1))


def backward_border(window: Window) -> Border:
    """Give the border that the gradient of the outputs needs: what the tiles of ``backward_records`` read there."""
    groups = _column_groups(window)
    places, exists = window.read_from(1, groups.ravel())
    places, exists = places.reshape(*groups.shape, -1), exists.reshape(*groups.shape, -1)
    read = places[np.broadcast_to(exists.any(axis=1, keepdims=True), places.shape)]
    if not read.size:
        return (0, 0, 0, 0)
    return (0, 0, max(0, -int(read.min())), max(0, int(read.max()) - window.target[1] + 1))


def backward_records(window: Window, tables: Tables, source: Value, target: Value) -> tuple[int, int]:
    """Make the records of ``correlate_inputs``: ``source`` is what the convolution writes, ``target`` what it reads.

    A tile takes pixels of one row, as far apart as the stride, so that all are reached by the same taps; those that
    only some of them have read zeros beyond the ends of the row.
    """
    groups = _column_groups(window)
    place_rows, exist_rows = window.read_from(0, np.arange(window.source[0]))
    place_columns, exist_columns = window.read_from(1, groups.ravel())
    first_column = (groups + window.padding[1][0]) // window.stride[1]
    place_columns = place_columns.reshape(*groups.shape, -1) - first_column[..., None]
    exist_columns = exist_columns.reshape(*groups.shape, -1).any(axis=1)
    first_row = (np.arange(window.source[0]) + window.padding[0][0]) // window.stride[0]
    place_rows = place_rows - first_row[:, None]
    height = window.source[0]
    reads = source.gradient + source.at(first_row[:, None, None], first_column[None]).reshape(-1, COLUMNS)
    writes = target.gradient + target.at(np.arange(height)[:, None, None], groups[None]).reshape(-1, COLUMNS)
    offsets = place_rows[:, None, :, None] * source.row + place_columns[None, :, 0, None, :] * _lanes(source)
    reached = exist_rows[:, None, :, None] & exist_columns[None, :, None, :]
    return _records(tables, reads, writes, offsets.reshape(len(reads), -1), reached.reshape(len(reads), -1))


def weight_records(window: Window, tables: Tables, source: Value, target: Value) -> tuple[int, int]:
    """Make the records of ``correlate_weights``: for every output, where x is read for the first tap, and where dy is."""
    rows, columns = np.indices(window.target, dtype=np.int64).reshape(2, -1)
    (top, _), (left, _) = window.padding
    reads = source.at(rows * window.stride[0] - top, columns * window.stride[1] - left)
    return tables.add(np.stack([reads, target.at(rows, columns) + target.gradient], axis=1)), rows.size


def weight_columns(window: Window, tables: Tables, source: Value, channels: int, columns: int) -> int:
    """Make the table of terms: how far from the first channel's first tap each reads; a multiple of ``columns`` of them."""
    channel, down, across = np.indices((channels, *window.kernel), dtype=np.int64).reshape(3, -1)
    places = (
        channel * source.channel
        + down * window.dilation[0] * source.row
        + across * window.dilation[1] * _lanes(source)
    )
    return tables.add(np.pad(places, (0, -places.size % columns), mode="edge"))


def _lanes(value: Value) -> int:
    return value.at(0, 1) - value.at(0, 0)


def _column_groups(window: Window) -> Integers:
    """Give the columns of the image that tiles take, (tiles, COLUMNS), the last of each stride's phase again and again."""
    width, stride = window.source[1], window.stride[1]
    found: list[Any] = []
    for phase in range(min(stride, width)):
        columns = np.arange(phase, width, stride)
        for first in range(0, columns.size, COLUMNS):
            found.append(columns[np.minimum(np.arange(first, first + COLUMNS), columns.size - 1)])
    return np.array(found, dtype=np.int64)


def _records(
    tables: Tables, reads: Integers, writes: Integers, offsets: Integers, reached: NDArray[np.bool_]
) -> tuple[int, int]:
    """Put tiles together with their lists of taps: (tiles, COLUMNS) each, ``offsets`` and ``reached`` (tiles, taps)."""
    known: dict[bytes, tuple[int, int]] = {}
    lists = []
    for places, mask in zip(offsets, reached, strict=True):
        key = places.tobytes() + mask.tobytes()
        if key not in known:
            chosen = np.flatnonzero(mask)
            known[key] = (tables.add(np.stack([places[chosen], chosen], axis=1)), chosen.size)
        lists.append(known[key])
    records = np.concatenate([reads, writes, np.array(lists, dtype=np.int64)], axis=1)
    assert records.shape[1] == RECORD
    return tables.add(records), len(records)
