"""What the compiled code of conv2d works with: images, filters, and records of the lattices that outputs fall into.

Kernels that Python calls take a plan as a plain tuple, and name its fields at once: Numba finds out the types of a named
tuple again at every call, which takes some 2 us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core
from kernels.declare.shapes import Padding, Pair

Array = NDArray[Any]

FIELDS = {
    "row": "image row of the first output",
    "col": "image column of the first output",
    "rows": "rows of outputs",
    "cols": "columns of outputs",
    "band_rows": "rows of outputs in a band; the last band may have fewer",
    "band_cols": "columns of outputs in a band; the last band may have fewer",
    "row_bands": "bands along the rows",
    "col_bands": "bands along the columns",
    "tap_row": "row that the first tap reads, relative to the row of the window; negative for padding",
    "tap_col": "column that the first tap reads, relative to the column of the window; negative for padding",
    "phase_rows": "rows of every phase that a band copies",
    "pitch": "elements from row to row of a band's copy",
    "plane": "elements from plane to plane of a band's copy",
    "planes": "planes that the tables of taps cover; for the gradient of the weights, channels in a unit",
    "first_tap": "start of the range in the tables of taps, or in the table of runs",
    "end_tap": "end of that range",
    "first_phase": "start of the range in the table of phases",
    "end_phase": "end of that range",
    "flat": "1: vectors continue across row ends",
    "halo_rows": "lines that a window covers besides its first one",
    "span": "columns of outputs in a span; a line of a band is split into spans",
    "spans": "spans of a line",
    "apart": "elements from span to span, and from phase to phase",
    "line": "elements from line to line; within a span, planes are ``pitch`` apart",
    "paired": "1: tiles have two lines",
    "chunk": "rows of outputs whose sums are kept before they are transposed",
    "blocks": "blocks of output channels",
    "block_rows": "output channels in a block; the last block may have fewer",
    "block_panels": "panels of channels in a block; the last block may have fewer",
    "units": "units of work",
}
"""The fields of a lattice and its bands; a plan documents those that it sets, the others are 0."""

LATTICE = np.dtype([(name, np.int64) for name in FIELDS], align=True)


def lattice_records(lattices: Sequence[Mapping[str, int]]) -> Array:
    """Return the lattices as compiled code reads them."""
    return np.array([tuple(lattice.get(name, 0) for name in FIELDS) for lattice in lattices], LATTICE)


@cpu_core
def find_lattice(lattices: Array, unit: int) -> tuple[int, int]:
    """Return the index of a unit's lattice, and the unit's index in it."""
    number, which = int(np.int64(unit)), 0  # an unsigned counter would turn sums into floats
    while number >= lattices[which]["units"]:
        number -= lattices[which]["units"]
        which += 1
    return which, number


class Images(NamedTuple):
    """A batch of images.

    Attributes
    ----------
    array : flat (batch * channels * height * width,), float
    batch, channels, height, width : int, the shape
    """

    array: Array
    batch: int
    channels: int
    height: int
    width: int


class Filters(NamedTuple):
    """A bank of filters, read in place.

    The tap at ``place`` of row r, plane c and group g is at g*group + r*row + c*plane + place.

    Attributes
    ----------
    array : flat, float
    group, row, plane : int, elements from group to group, from output channel to output channel, from plane to plane
    bias : (groups * rows,), float, the initial value of every output
    """

    array: Array
    group: int
    row: int
    plane: int
    bias: Array


class Strided(NamedTuple):
    """Rows of several planes, anywhere in an array: element (c, i, j) is at start + c*plane + i*row + j*col.

    Attributes
    ----------
    array : flat, float
    start, plane, row, col : int, in elements
    """

    array: Array
    start: int
    plane: int
    row: int
    col: int


class ImageRegion(NamedTuple):
    """What a band copies of a batch of images.

    Attributes
    ----------
    plane, planes : int, the first of the planes (of all images) and their number
    row, col : int, the image row and column that the first tap of the first window reads; they may be in the padding
    """

    plane: int
    planes: int
    row: int
    col: int


class Options(NamedTuple):
    """The options of conv2d in normal form."""

    stride: Pair
    padding: Padding
    dilation: Pair
    groups: int
