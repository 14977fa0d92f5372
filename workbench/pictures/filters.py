"""Filters for pictures: the matrices of a well-known article and four more, user-defined matrices, and their effect.

The first seven are the table of U. Karn, "An Intuitive Explanation of Convolutional Neural Networks" (2016), section "The
Convolution Step". The Laplacian of four neighbours is among them, as edge-detect-cross; the one named laplacian has eight,
with the weights of Oono and Puri's nine-point stencil, nearly the same in every direction, and exact in float32.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

import kernels
from workbench.system.errors import InputError, shortened

Pair = tuple[int, int]

_HELP = 'separate rows by ";" and numbers by spaces, as in "1 0 1; 0 1 0; 1 0 1"'

_LARGEST = float(np.finfo(np.float32).max)

# Above it, the common denominator of a matrix of decimals is less readable than the decimals.
_LARGEST_DIVISOR = 1000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A filter: ``matrix`` divided by ``divisor``, so that values such as 1/9 are exact and can be displayed.

    Attributes
    ----------
    matrix : rows of equal length
    description : its effect on a picture, in one line; empty for a user-defined matrix
    """

    name: str
    matrix: tuple[tuple[int, ...], ...]
    divisor: int = 1
    description: str = ""

    @property
    def size(self) -> Pair:
        """Height and width."""
        return len(self.matrix), len(self.matrix[0])

    @property
    def weights(self) -> NDArray[np.float32]:
        """The values of the filter, (KH, KW)."""
        return np.array([[number / self.divisor for number in row] for row in self.matrix], dtype=np.float32)

    def rows(self) -> tuple[str, list[list[str]]]:
        """Return the filter as usually written: a factor ("1/9", or "" if there is none) and rows of numbers."""
        if 1 < self.divisor <= _LARGEST_DIVISOR:
            return f"1/{self.divisor}", [[str(number) for number in row] for row in self.matrix]
        return "", [[f"{number / self.divisor:.6g}" for number in row] for row in self.matrix]


_NAMED = (
    Filter(
        name="identity",
        matrix=((0, 0, 0), (0, 1, 0), (0, 0, 0)),
        description="the picture itself",
    ),
    Filter(
        name="edge-detect-corners",
        matrix=((1, 0, -1), (0, 0, 0), (-1, 0, 1)),
        description="corners and slanted edges",
    ),
    Filter(
        name="edge-detect-cross",
        matrix=((0, 1, 0), (1, -4, 1), (0, 1, 0)),
        description="edges, by four neighbours",
    ),
    Filter(
        name="edge-detect",
        matrix=((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
        description="edges, by eight neighbours",
    ),
    Filter(
        name="sharpen",
        matrix=((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
        description="the picture and its edges",
    ),
    Filter(
        name="box-blur",
        matrix=((1, 1, 1), (1, 1, 1), (1, 1, 1)),
        divisor=9,
        description="the mean of 3 x 3 pixels",
    ),
    Filter(
        name="gaussian-blur",
        matrix=((1, 2, 1), (2, 4, 2), (1, 2, 1)),
        divisor=16,
        description="a weighted mean",
    ),
    Filter(
        name="emboss",
        matrix=((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
        description="the picture as a relief",
    ),
    Filter(
        name="sobel-x",
        matrix=((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
        description="brighter to the right",
    ),
    Filter(
        name="sobel-y",
        matrix=((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
        description="brighter downwards",
    ),
    Filter(
        name="laplacian",
        matrix=((1, 2, 1), (2, -12, 2), (1, 2, 1)),
        divisor=4,
        description="edges in every direction",
    ),
)

FILTERS = {each.name: each for each in _NAMED}
"""The named filters: the article's in its order, then the others."""


def parse_matrix(text: str) -> Filter:
    """Parse rows separated by ";" of integers, decimals or fractions separated by spaces or commas.

    Raises
    ------
    InputError
        The matrix is empty, its rows differ in length, or an entry is not a number within the range of float32.
    """
    if not text.strip():
        raise InputError(f"the filter is empty; {_HELP}")
    rows: list[list[Fraction]] = []
    for number, row in enumerate(re.sub(r"\s*/\s*", "/", text).split(";"), start=1):
        entries = row.replace(",", " ").split()
        if not entries:
            raise InputError(f"filter {shortened(text)!r}: row {number} is empty; {_HELP}")
        if rows and len(entries) != len(rows[0]):
            raise InputError(
                f"filter {shortened(text)!r}: row {number} has {len(entries)} numbers, row 1 has {len(rows[0])}; "
                "all rows must have the same length"
            )
        rows.append([_number(text, entry) for entry in entries])
    divisor = math.lcm(*(value.denominator for row in rows for value in row))
    matrix = tuple(tuple(int(value * divisor) for value in row) for row in rows)
    return Filter(name=f"{len(matrix)}x{len(matrix[0])} matrix", matrix=matrix, divisor=divisor)


def _number(text: str, entry: str) -> Fraction:
    numerator, slash, denominator = entry.partition("/")
    try:
        value = _decimal(numerator) / _decimal(denominator) if slash else _decimal(numerator)
    except ZeroDivisionError:
        raise InputError(f"filter {shortened(text)!r}: {shortened(entry)!r} divides by zero; {_HELP}") from None
    except OverflowError:
        raise InputError(f"filter {shortened(text)!r}: {shortened(entry)!r} is not a finite number; {_HELP}") from None
    except ValueError:
        raise InputError(f"filter {shortened(text)!r}: {shortened(entry)!r} is not a number; {_HELP}") from None
    if abs(value) > _LARGEST:
        raise InputError(f"filter {shortened(text)!r}: {shortened(entry)!r} is too large for float32; {_HELP}")
    return value


def _decimal(text: str) -> Fraction:
    value = float(text)
    if not math.isfinite(value):
        raise OverflowError
    return Fraction(text) if value else Fraction(0)  # float first: Fraction("1e999999999") never terminates


def default_padding(kernel: Filter, stride: Pair) -> Pair | str:
    """Return the padding that preserves a picture's size at stride 1, and otherwise divides it by the stride."""
    height, width = kernel.size
    return "same" if stride == (1, 1) else (height // 2, width // 2)


def apply_filter(
    image: NDArray[np.uint8], kernel: Filter, *, stride: Pair = (1, 1), padding: Pair | str = "same"
) -> NDArray[np.float32]:
    """Apply a filter to a picture with ``kernels.conv2d``, to each channel separately.

    Parameters
    ----------
    image
        (C, H, W) uint8.
    kernel
        The filter.
    stride, padding
        As for ``kernels.conv2d``.

    Returns
    -------
    feature_map
        (C, OH, OW) float32, neither rounded nor clipped.

    Raises
    ------
    InputError
        The sums overflow float32.
    KernelsError
        The filter is larger than the padded picture, or the options are inconsistent.
    """
    channels = len(image)
    x = image[np.newaxis].astype(np.float32)
    w = np.tile(kernel.weights, (channels, 1, 1, 1))
    y: NDArray[np.float32] = kernels.conv2d(x, w, stride=stride, padding=padding, groups=channels, device="cpu")[0]
    if not np.isfinite(y).all():
        raise InputError(f"filter {kernel.name}: the sums overflow float32; use smaller numbers")
    return y


def to_pixels(feature_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round to integers and clip to 0..255."""
    return np.rint(feature_map).clip(0, 255).astype(np.uint8)


def count_clipped(feature_map: NDArray[np.float32]) -> int:
    """Count the values that ``to_pixels`` clips."""
    whole = np.rint(feature_map)
    return int(np.count_nonzero((whole < 0) | (whole > 255)))
