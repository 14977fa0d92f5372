"""Tables of a convolution: the pixels of each tile, and the filter taps that read the image there.

Taps in the padding for all pixels of a tile are left out; taps in the padding for only some read zeros in the border.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.fused.convolution import RECORD
from kernels.fused.lanes import LANES
from kernels.simd.tile import COLUMNS
from workbench.network.executor.arena import Border, LayerValue, ProgramTables

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A convolution's filters, its options in normal form, and the sizes (height, width) of its input and output."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    source: tuple[int, int]
    target: tuple[int, int]

    @property
    def border(self) -> Border:
        """The border that is read around the image."""
        (top, bottom), (left, right) = self.padding
        return (top, bottom, left, right)

    def read_by(self, axis: int, outputs: Integers) -> tuple[Integers, NDArray[np.bool_]]:
        """Return the input positions that outputs read along an axis, (outputs, taps), and whether they are in the image."""
        taps = np.arange(self.kernel[axis]) * self.dilation[axis]
        places = outputs[:, None] * self.stride[axis] - self.padding[axis][0] + taps
        return places, (places >= 0) & (places < self.source[axis])

    def read_from(self, axis: int, inputs: Integers) -> tuple[Integers, NDArray[np.bool_]]:
        """Return the outputs that read inputs along an axis, (inputs, taps), and whether these outputs exist."""
        taps = np.arange(self.kernel[axis]) * self.dilation[axis]
        scaled = inputs[:, None] + self.padding[axis][0] - taps
        places = scaled // self.stride[axis]
        return places, (scaled % self.stride[axis] == 0) & (places >= 0) & (places < self.target[axis])


def forward_records(window: Window, tables: ProgramTables, source: LayerValue, target: LayerValue) -> tuple[int, int]:
    """Make the records of ``kernels.fused.convolution.correlate``; return their start and number.

    Tiles cover the pixels in row-major order, across the ends of rows; the last tile repeats its last pixel.
    """
    height, width = window.target
    numbers = np.minimum(np.arange(-(-height * width // COLUMNS) * COLUMNS), height * width - 1).reshape(-1, COLUMNS)
    rows, columns = numbers // width, numbers % width
    _, inside_rows = window.read_by(0, np.arange(height))
    _, inside_columns = window.read_by(1, np.arange(width))
    (top, _), (left, _) = window.padding
    down, across = np.indices(window.kernel)
    offsets = (down * window.dilation[0] * source.row + across * window.dilation[1] * LANES).ravel()
    reads = source.at(rows * window.stride[0] - top, columns * window.stride[1] - left)
    reached = (inside_rows[rows][..., :, None] & inside_columns[columns][..., None, :]).any(axis=1)
    lists = np.broadcast_to(offsets, (len(numbers), offsets.size))
    return _records(tables, reads, target.at(rows, columns), lists, reached.reshape(len(numbers), -1))


def row_records(window: Window, tables: ProgramTables, source: LayerValue, target: LayerValue) -> tuple[int, int]:
    """Make records as ``forward_records`` does for one sample: whole registers of neighbouring pixels in a row.

    The last register of a row overlaps the previous one; if the row is shorter than a register, it is written past its end.
    """
    height, width = window.target
    firsts = np.arange(0, width, LANES)
    firsts = np.minimum(firsts, max(width - LANES, 0))
    total = height * firsts.size
    numbers = np.minimum(np.arange(-(-total // COLUMNS) * COLUMNS), total - 1).reshape(-1, COLUMNS)
    rows, columns = numbers // firsts.size, firsts[numbers % firsts.size]
    _, inside_rows = window.read_by(0, np.arange(height))
    (top, _), (left, _) = window.padding
    down, across = np.indices(window.kernel)
    offsets = (down * window.dilation[0] * source.row + across * window.dilation[1]).ravel()
    reads = source.at(rows * window.stride[0] - top, columns - left)
    reached = np.repeat(inside_rows[rows].any(axis=1), window.kernel[1], axis=1)
    lists = np.broadcast_to(offsets, (len(numbers), offsets.size))
    return _records(tables, reads, target.at(rows, columns), lists, reached)


def backward_border(window: Window) -> Border:
    """Return the border that the gradient of the outputs needs, as read by the tiles of ``backward_records``."""
    rows, columns = _backward_tiles(window)
    border = [0, 0, 0, 0]
    for axis, pixels in enumerate((rows, columns)):
        places, exist = window.read_from(axis, pixels.ravel())
        shape = (*pixels.shape, window.kernel[axis])
        places, exist = places.reshape(shape), exist.reshape(shape)
        read = places[np.broadcast_to(exist.any(axis=1, keepdims=True), shape)]
        if read.size:
            border[2 * axis] = max(0, -int(read.min()))
            border[2 * axis + 1] = max(0, int(read.max()) - window.target[axis] + 1)
    top, bottom, left, right = border
    return (top, bottom, left, right)


def backward_records(window: Window, tables: ProgramTables, source: LayerValue, target: LayerValue) -> tuple[int, int]:
    """Make the records of ``correlate_inputs``: ``source`` is the output of the convolution, ``target`` its input."""
    rows, columns = _backward_tiles(window)
    reads = np.full(rows.shape, source.gradient + source.at(0, 0))
    offsets: list[Integers] = []
    reached: list[NDArray[np.bool_]] = []
    for axis, (pixels, distance) in enumerate(((rows, source.row), (columns, LANES))):
        first = (pixels + window.padding[axis][0]) // window.stride[axis]
        places, exist = window.read_from(axis, pixels.ravel())
        reads += first * distance
        offsets.append((places.reshape(*pixels.shape, -1)[:, 0] - first[:, :1]) * distance)
        reached.append(np.any(exist.reshape(*pixels.shape, -1), axis=1))
    every = offsets[0][:, :, None] + offsets[1][:, None, :]
    mask = reached[0][:, :, None] & reached[1][:, None, :]
    writes = target.gradient + target.at(rows, columns)
    return _records(tables, reads, writes, every.reshape(len(reads), -1), mask.reshape(len(reads), -1))


def _backward_tiles(window: Window) -> tuple[Integers, Integers]:
    """Choose the pixels of the image in each tile; return their rows and their columns, (tiles, COLUMNS) each.

    All pixels of a tile have the same phase of the strides, so that the outputs they contribute to are equally far from
    each. Where enough pixels for a tile are reached by exactly the same taps, they form tiles without waste; the others,
    near the ends, form tiles along rows that use the taps of all their pixels.
    """
    kinds = []
    for axis in (0, 1):
        _, exist = window.read_from(axis, np.arange(window.source[axis]))
        phases = (np.arange(window.source[axis]) + window.padding[axis][0]) % window.stride[axis]
        marks = np.concatenate([phases[:, None], exist], axis=1)
        kinds.append(np.unique(marks, axis=0, return_inverse=True)[1].reshape(-1))
    width = window.source[1]
    kind = (kinds[0][:, None] * (kinds[1].max() + 1) + kinds[1]).ravel()
    order = np.argsort(kind, kind="stable")
    starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
    tiles, rest = [], []
    for same in np.split(order, starts[1:]):
        whole = same.size // COLUMNS * COLUMNS
        tiles.append(same[:whole].reshape(-1, COLUMNS))
        rest.append(same[whole:])
    left = np.concatenate(rest)
    phase = (left % width + window.padding[1][0]) % window.stride[1]
    line = left // width * window.stride[1] + phase
    order = np.lexsort((left, line))
    left, line = left[order], line[order]
    changes = np.flatnonzero(np.diff(line, prepend=-1))
    for run in np.split(left, changes[1:]):
        for first in range(0, run.size, COLUMNS):
            tiles.append(run[np.minimum(np.arange(first, first + COLUMNS), run.size - 1)][None])
    numbers = np.concatenate(tiles).astype(np.int64)
    return numbers // width, numbers % width


def weight_records(window: Window, tables: ProgramTables, source: LayerValue, target: LayerValue) -> tuple[int, int]:
    """Make the records of ``correlate_weights``: for every output, the positions of x at the first tap, and of dy."""
    rows, columns = np.indices(window.target, dtype=np.int64).reshape(2, -1)
    (top, _), (left, _) = window.padding
    reads = source.at(rows * window.stride[0] - top, columns * window.stride[1] - left)
    return tables.add(np.stack([reads, target.at(rows, columns) + target.gradient], axis=1)), rows.size


def weight_columns(window: Window, tables: ProgramTables, source: LayerValue, channels: int, columns: int) -> int:
    """Make the table of distances of terms from the first channel's first tap, padded to a multiple of ``columns``."""
    channel, down, across = np.indices((channels, *window.kernel), dtype=np.int64).reshape(3, -1)
    places = channel * source.channel + down * window.dilation[0] * source.row + across * window.dilation[1] * LANES
    return tables.add(np.pad(places, (0, -places.size % columns), mode="edge"))


def _records(
    tables: ProgramTables, reads: Integers, writes: Integers, offsets: Integers, reached: NDArray[np.bool_]
) -> tuple[int, int]:
    """Combine tiles with their lists of taps: (tiles, COLUMNS) each, ``offsets`` and ``reached`` (tiles, taps)."""
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
