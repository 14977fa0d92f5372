"""The steps of a convolution in all their numbers: at each, the window, the products, and the sum that ``conv2d`` gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.declare.shapes import normal_options
from workbench.pictures.filters import Filter, Pair, apply_filter
from workbench.pictures.matrices import aligned
from workbench.system.errors import InputError

MOST_SIDE = 12
"""The largest height and width, with padding, of a picture whose steps can be followed."""


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A filter that slides over a grey picture.

    Attributes
    ----------
    padded : (H, W), the picture with the zeros around it
    picture : the rows and columns of ``padded`` that are the picture
    feature_map : (OH, OW), as ``conv2d`` computed it
    """

    padded: NDArray[np.float32]
    picture: tuple[slice, slice]
    kernel: Filter
    stride: Pair
    feature_map: NDArray[np.float32]

    @property
    def steps(self) -> list[Pair]:
        """The places (i, j) in the feature map, row by row."""
        return list(np.ndindex(*self.feature_map.shape))

    @property
    def divisor(self) -> int:
        """What the sum of the products is divided by: that of the filter, where it is written as a factor."""
        return self.kernel.divisor if self.kernel.rows()[0] else 1

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The numbers of the filter as written, without the factor."""
        whole = np.array(self.kernel.matrix, dtype=np.float64)
        return whole if self.divisor > 1 else whole / self.kernel.divisor

    @property
    def has_border(self) -> bool:
        """Whether there are zeros around the picture."""
        return self.padded[self.picture].shape != self.padded.shape

    def corner(self, step: Pair) -> Pair:
        """Return the row and column of ``padded`` at which the window of a step begins."""
        return step[0] * self.stride[0], step[1] * self.stride[1]

    def products(self, step: Pair) -> NDArray[np.float64]:
        """Return the window of a step times the filter, number by number."""
        (top, left), (height, width) = self.corner(step), self.kernel.size
        return self.padded[top : top + height, left : left + width] * self.numbers

    def sum_text(self, step: Pair) -> str:
        """Return the sum of the products and its result, as in "1 + 0 - 2 = -1" or "(1 + 2) / 3 = 1"."""
        first, *others = (cell.strip() for row in aligned(self.products(step)) for cell in row)
        text = first + "".join(f" - {each[1:]}" if each.startswith("-") else f" + {each}" for each in others)
        text = text if self.divisor == 1 else f"({text}) / {self.divisor}"
        return f"{text} = {self.values[step[0]][step[1]].strip()}"

    @property
    def values(self) -> list[list[str]]:
        """The feature map as text."""
        return aligned(self.feature_map)


def convolve(name: str, image: NDArray[np.uint8], kernel: Filter, stride: Pair, padding: Pair | str) -> Convolution:
    """Apply a filter to a grey picture, (1, H, W), and keep every number of it; error messages call the picture ``name``.

    Raises
    ------
    InputError
        There are too many numbers to follow, or the sums overflow float32.
    KernelsError
        The filter is larger than the padded picture, or the options are inconsistent.
    """
    shapes = {"x": (1, *image.shape), "w": (1, 1, *kernel.size)}
    (top, bottom), (left, right) = normal_options(OPS["conv2d"], {"stride": stride, "padding": padding}, shapes)[
        "padding"
    ]
    height, width = image.shape[1] + top + bottom, image.shape[2] + left + right
    if max(height, width) > MOST_SIDE:
        raise InputError(
            f"{name}: {width} wide and {height} high with its padding, too large to follow every number; --steps takes at "
            f"most {MOST_SIDE} x {MOST_SIDE}, use a smaller picture or less padding"
        )
    return Convolution(
        padded=np.pad(image[0].astype(np.float32), ((top, bottom), (left, right))),
        picture=(slice(top, height - bottom), slice(left, width - right)),
        kernel=kernel,
        stride=stride,
        feature_map=apply_filter(image, kernel, stride=stride, padding=padding)[0],
    )
