"""Filters for pictures: the matrices of an article everyone learns from, matrices of one's own, and their effect.

The named filters are the table of U. Karn, "An Intuitive Explanation of Convolutional Neural Networks" (2016), section
"The Convolution Step".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

import kernels
from workbench.system.errors import InputError

Pair = tuple[int, int]

_HELP = 'give rows separated by ";" and numbers by blanks, such as "1 0 1; 0 1 0; 1 0 1"'

_LARGEST = float(np.finfo(np.float32).max)

# Beyond it the common denominator of a matrix of decimals says less than the decimals.
_LARGEST_DIVISOR = 1000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A filter: ``matrix`` divided by ``divisor``, so that 1/9 and the like are exact and can be shown.

    Attributes
    ----------
    matrix : rows of one length
    description : what it does to a picture, in one line; empty for a matrix of the user's
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
        """The filter's numbers, (KH, KW)."""
        return np.array([[number / self.divisor for number in row] for row in self.matrix], dtype=np.float32)

    def rows(self) -> tuple[str, list[list[str]]]:
        """Return the filter as people write it: a factor ("1/9", or "" when there is none) and rows of numbers."""
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
)

FILTERS = {each.name: each for each in _NAMED}
"""The article's filters by name, in its order."""


def parse_matrix(text: str) -> Filter:
    """Read a filter from rows separated by ";" and integers, decimals or fractions separated by blanks or commas.

    Raises
    ------
    InputError
        The matrix is empty, its rows differ in length, or an entry is no number that float32 can hold.
    """
    if not text.strip():
        raise InputError(f"the filter is empty; {_HELP}")
    rows: list[list[Fraction]] = []
    for number, row in enumerate(re.sub(r"\s*/\s*", "/", text).split(";"), start=1):
        entries = row.replace(",", " ").split()
        if not entries:
            raise InputError(f"filter {text!r}: row {number} is empty; {_HELP}")
        if rows and len(entries) != len(rows[0]):
            raise InputError(
                f"filter {text!r}: row {number} has {len(entries)} numbers, row 1 has {len(rows[0])}; "
                "give every row as many"
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
        raise InputError(f"filter {text!r}: {entry!r} divides by zero; {_HELP}") from None
    except OverflowError:
        raise InputError(f"filter {text!r}: {entry!r} is not a finite number; {_HELP}") from None
    except ValueError:
        raise InputError(f"filter {text!r}: {entry!r} is not a number; {_HELP}") from None
    if abs(value) > _LARGEST:
        raise InputError(f"filter {text!r}: {entry!r} is too large for float32; {_HELP}")
    return value


def _decimal(text: str) -> Fraction:
    value = float(text)
    if not math.isfinite(value):
        raise OverflowError
    return Fraction(text) if value else Fraction(0)  # a float first: Fraction("1e999999999") never ends


def default_padding(kernel: Filter, stride: Pair) -> Pair | str:
    """Return the padding that keeps a picture's size at stride 1, and divides it by the stride otherwise."""
    height, width = kernel.size
    return "same" if stride == (1, 1) else (height // 2, width // 2)


def apply_filter(
    image: NDArray[np.uint8], kernel: Filter, *, stride: Pair = (1, 1), padding: Pair | str = "same"
) -> NDArray[np.float32]:
    """Slide a filter over a picture with ``kernels.conv2d``, over every channel by itself.

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
        The filter is larger than the padded picture, or the options do not go together.
    """
    channels = len(image)
    x = image[np.newaxis].astype(np.float32)
    w = np.tile(kernel.weights, (channels, 1, 1, 1))
    y: NDArray[np.float32] = kernels.conv2d(x, w, stride=stride, padding=padding, groups=channels, device="cpu")[0]
    if not np.isfinite(y).all():
        raise InputError(f"filter {kernel.name}: the sums overflow float32; give smaller numbers")
    return y


def to_pixels(feature_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round to whole numbers and clip to 0..255."""
    return np.rint(feature_map).clip(0, 255).astype(np.uint8)


def count_clipped(feature_map: NDArray[np.float32]) -> int:
    """Count the values that ``to_pixels`` clips."""
    whole = np.rint(feature_map)
    return int(np.count_nonzero((whole < 0) | (whole > 255)))
