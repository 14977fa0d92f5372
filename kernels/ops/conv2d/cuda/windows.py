"""The windows of a convolution on CUDA: where results meet taps, and what a block of threads computes of them."""

from collections.abc import Iterator
from math import gcd
from typing import NamedTuple

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair


class Gather(NamedTuple):
    """Where pixel (u, v) of a plane of results meets tap (p, q): in row u*row_stride + row_first + p*row_step of an image.

    Attributes
    ----------
    batch : the number of images
    channels, own : of an image, and those of a group
    height, width : of the image
    rows, columns : of the plane of results
    taps_h, taps_w : of the filter
    row_stride, row_first, row_step : see above
    column_stride, column_first, column_step : the same for columns
    is_padded : 1 if taps may be outside of the image
    """

    batch: int
    channels: int
    own: int
    height: int
    width: int
    rows: int
    columns: int
    taps_h: int
    taps_w: int
    row_stride: int
    row_first: int
    row_step: int
    column_stride: int
    column_first: int
    column_step: int
    is_padded: int


class Filters(NamedTuple):
    """Where the filter between a place (a channel of the result) and a tap is, in elements.

    Attributes
    ----------
    groups : the number of groups
    places : the channels of the result in a group
    first : the filter of the first place and tap
    group, place, channel, row, column : from one to the next
    """

    groups: int
    places: int
    first: int
    group: int
    place: int
    channel: int
    row: int
    column: int


class Plane(NamedTuple):
    """Where the result for pixel (u, v) is: in row u*row_step + row_first of a plane, and in a column found likewise.

    Attributes
    ----------
    height, width : of the plane
    row_first, row_step, column_first, column_step : see above
    wide : 1 if pixels are neighbours in memory, four of them in one sample and at an address of 16 bytes
    """

    height: int
    width: int
    row_first: int
    row_step: int
    column_first: int
    column_step: int
    wide: int


class Block(NamedTuple):
    """What a block of threads computes.

    Attributes
    ----------
    group : of channels
    term, end : the first term, and the one after the last
    origin : where the results of the first sample, row and column of the group begin
    top, left : the first row and column of the block
    has_bias, is_padded : 1 if a bias is added; 1 if terms may be outside of the image
    """

    group: int
    term: int
    end: int
    origin: int
    top: int
    left: int
    has_bias: int
    is_padded: int


def windows(
    image: tuple[int, ...], filters: tuple[int, ...], out: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Gather:
    """Describe the windows over x, of shape ``image``, that filters of the shape ``filters`` meet in the forward pass."""
    (batch, channels, height, width), (_, own, taps_h, taps_w) = image, filters
    rows, columns = (stride[0], -padding[0][0], dilation[0]), (stride[1], -padding[1][0], dilation[1])
    is_padded = int(padding != ((0, 0), (0, 0)))
    return Gather(batch, channels, own, height, width, *out, taps_h, taps_w, *rows, *columns, is_padded)


def forward_windows(
    x: Shape, w: Shape, y: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> tuple[Gather, Filters, Plane]:
    """Describe the forward pass for arrays of these shapes; ``wide`` is 0."""
    (outputs, own, taps_h, taps_w), (_, _, rows, columns) = w, y
    places, taps = outputs // groups, taps_h * taps_w
    filters = Filters(groups, places, 0, places * own * taps, own * taps, taps, taps_w, 1)
    gather = windows(x, w, (rows, columns), stride, padding, dilation)
    return gather, filters, Plane(rows, columns, 0, 1, 0, 1, 0)


def backward_windows(
    dy: Shape, w: Shape, dx: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Iterator[tuple[Gather, Filters, Plane, int]]:
    """Describe the gradient of x, lattice by lattice, with the number of taps, which may be 0; ``wide`` is 0."""
    (batch, outputs, out_h, out_w), (_, places, taps_h, taps_w), (_, _, height, width) = dy, w, dx
    own, taps = outputs // groups, taps_h * taps_w
    for i in _lattices(height, taps_h, stride[0], padding[0][0], dilation[0]):
        for j in _lattices(width, taps_w, stride[1], padding[1][0], dilation[1]):
            sizes = out_h, out_w, i.size, j.size, max(1, i.taps), max(1, j.taps)
            gather = Gather(batch, outputs, own, *sizes, 1, i.row, i.row_step, 1, j.row, j.row_step, 1)
            steps = places * taps, i.tap_step * taps_w, j.tap_step
            filters = Filters(groups, places, i.tap * taps_w + j.tap, own * places * taps, taps, *steps)
            plane = Plane(height, width, i.first, stride[0], j.first, stride[1], 0)
            yield gather, filters, plane, own * i.taps * j.taps


class _Axis(NamedTuple):
    """The rows (or columns) of a gradient that meet the same taps: first, first + stride, ...

    Attributes
    ----------
    first, size : of the rows
    tap, taps, tap_step : the first tap, their number, from one to the next
    row, row_step : the row of dy that the first row meets at the first tap, and from tap to tap, which is positive
    """

    first: int
    size: int
    tap: int
    taps: int
    tap_step: int
    row: int
    row_step: int


def _lattices(size: int, taps: int, stride: int, before: int, dilation: int) -> Iterator[_Axis]:
    """Yield the classes of an axis: row r meets row (r + before - tap * dilation) / stride of dy where that is whole."""
    step = stride // gcd(stride, dilation)
    for first in range(min(stride, size)):
        reached = [tap for tap in range(min(step, taps)) if (first + before - tap * dilation) % stride == 0]
        own = range(reached[0], taps, step)[::-1] if reached else range(0)  # the last tap meets the first row
        tap = own[0] if own else 0
        yield _Axis(
            first=first,
            size=-(-(size - first) // stride),
            tap=tap,
            taps=len(own),
            tap_step=-step,
            row=(first + before - tap * dilation) // stride,
            row_step=step * dilation // stride,
        )
