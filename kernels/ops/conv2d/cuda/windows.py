"""The windows of a convolution on CUDA: where results meet taps, and what a block of threads computes of them."""

from typing import NamedTuple

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


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
