"""The steps of a convolution as an animation: the window slides over the picture, and the feature map grows.

After the figure of U. Karn, "An Intuitive Explanation of Convolutional Neural Networks" (2016), section "The Convolution
Step".
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from workbench.pictures.drawing import Cell, Place, draw_fraction, draw_grid, font, tint, wrapped, write
from workbench.pictures.filters import Pair
from workbench.pictures.matrices import aligned
from workbench.pictures.steps import Convolution
from workbench.pictures.style import INK, MUTED, PAPER, Colour, readable_on
from workbench.system.files import atomic_path

WINDOW: Colour = (176, 0, 120)
"""The outline of the window and of the number that it gives."""

MARGIN, GAP, FACTOR = 40, 44, 46
TITLE, HEADING, SUM, TEXT, NUMBER = 36, 22, 24, 19, 20
"""Font sizes, in pixels."""
LINE, CELL = 30, 44
LEAST_W = 640

FIRST, EACH, LEAST, LAST = 3000, 1500, 600, 5000
"""How long frames stand, in milliseconds: the first three, the others, those of many others, the last."""
ALL = 60_000
"""The time that the other frames may take together, unless each then stood for less than ``LEAST``."""


def write_steps(convolution: Convolution, path: Path) -> Pair:
    """Write the steps as an animated GIF file that repeats, atomically; return its width and height.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    frames = draw_steps(convolution)
    pace = min(EACH, max(LEAST, ALL // len(frames)))
    times = [FIRST if number < 3 else pace for number in range(len(frames))]
    times[-1] = LAST
    first, *others = _in_common_colours(frames)
    with atomic_path(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=others, duration=times, loop=0)
    return first.size


def _in_common_colours(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Return the frames with one palette, so that the file holds only what changes from one to the next."""
    width, height = frames[0].size
    shown = [*frames[:: max(1, len(frames) // 8)], frames[-1]]
    together = Image.new("RGB", (width, height * len(shown)))
    for number, frame in enumerate(shown):
        together.paste(frame, (0, number * height))
    palette = together.quantize(256, dither=Image.Dither.NONE)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def draw_steps(convolution: Convolution) -> list[Image.Image]:
    """Draw each step as a picture in RGB; all have one size."""
    layout = _Layout(convolution)
    return [layout.draw(step) for step in convolution.steps]


class _Layout:
    """Places and colours that all frames share."""

    def __init__(self, convolution: Convolution) -> None:
        self.all = convolution
        pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        self.pixels = [[cell.strip() for cell in row] for row in aligned(convolution.padded)]
        self.weights = convolution.kernel.rows()[1]
        self.values = [[cell.strip() for cell in row] for row in convolution.values]
        products = [
            cell.strip() for step in convolution.steps for row in aligned(convolution.products(step)) for cell in row
        ]
        self.most_product = max(float(np.abs(convolution.products(step)).max()) for step in convolution.steps)
        self.cells = [
            max(CELL, round(max(pen.textlength(text, font(NUMBER)) for text in texts)) + 16)
            for texts in (
                [text for row in self.pixels for text in row],
                [*(text for row in self.weights for text in row), *products],
                [text for row in self.values for text in row],
            )
        ]
        columns = (len(self.pixels[0]), len(self.weights[0]), len(self.values[0]))
        height, width = convolution.padded[convolution.picture].shape
        self.headings = (f"picture {height} x {width}", "filter", "feature map")
        factor = FACTOR if convolution.divisor > 1 else 0
        self.lefts = [MARGIN]
        for cell, count, heading, more in zip(self.cells, columns, self.headings, (GAP + factor, GAP, 0), strict=True):
            wide = max(cell * count, round(pen.textlength(heading, font(HEADING))))
            self.lefts.append(self.lefts[-1] + wide + more)
        self.width = max(LEAST_W, self.lefts[-1] + MARGIN)
        inner = self.width - 2 * MARGIN
        self.subtitle = wrapped(
            pen,
            "Window times filter, number by number; the sum of the products is one number of the feature map.",
            inner,
            TEXT,
        )
        self.sums = {step: wrapped(pen, f"sum: {convolution.sum_text(step)}", inner, SUM) for step in convolution.steps}
        self.legend = wrapped(pen, self._legend(), inner, TEXT)
        self.top = MARGIN + 36 + len(self.subtitle) * LINE + 66
        middle = 2 * len(self.weights) * CELL + LINE + 30
        grids = max(len(self.pixels) * CELL, middle, len(self.values) * CELL)
        self.sum_top = self.top + grids + 52
        self.legend_top = self.sum_top + max(map(len, self.sums.values())) * LINE + 16
        self.height = self.legend_top + len(self.legend) * LINE + MARGIN - LINE

    def _legend(self) -> str:
        parts = [f"Picture: 0 is black, {int(self.all.padded.max()) or 1} is white."]
        if self.all.has_border:
            parts.append("The zeros around it are padding.")
        parts.append("Filter, products, feature map: blue above zero, orange below, stronger for larger numbers.")
        return " ".join(parts)

    def draw(self, step: Pair) -> Image.Image:
        frame = Image.new("RGB", (self.width, self.height), PAPER)
        pen = ImageDraw.Draw(frame)
        number = self.all.steps.index(step) + 1
        write(pen, (MARGIN, MARGIN + 26), f"The convolution step: {number} of {len(self.all.steps)}", TITLE)
        self._lines(pen, MARGIN + 66, self.subtitle, TEXT, MUTED)
        for left, heading in zip(self.lefts, self.headings, strict=False):
            write(pen, (left, self.top - 12), heading, HEADING)
        sizes = [(cell, CELL) for cell in self.cells]
        first, middle, last = self.lefts[:3]
        draw_grid(pen, (first, self.top), self._picture(), sizes[0], NUMBER)
        self._outline(pen, (first, self.top), sizes[0], self.all.corner(step), self.all.kernel.size)

        matrix_h = len(self.weights) * CELL
        below = self.top + matrix_h + LINE + 30
        weights = self.all.numbers
        draw_grid(
            pen, (middle, self.top), _tinted(self.weights, weights, float(np.abs(weights).max())), sizes[1], NUMBER
        )
        if self.all.divisor > 1:
            draw_fraction(pen, (middle - FACTOR // 2, self.top + matrix_h // 2), self.all.divisor, NUMBER)
        products = self.all.products(step)
        write(pen, (middle, below - 12), "products", HEADING)
        draw_grid(pen, (middle, below), _tinted(aligned(products), products, self.most_product), sizes[1], NUMBER)

        most = float(np.abs(self.all.feature_map).max())
        cells = [
            [cell if (i, j) <= step else Cell() for j, cell in enumerate(row)]
            for i, row in enumerate(_tinted(self.values, self.all.feature_map, most))
        ]
        draw_grid(pen, (last, self.top), cells, sizes[2], NUMBER)
        self._outline(pen, (last, self.top), sizes[2], step, (1, 1))
        self._lines(pen, self.sum_top, self.sums[step], SUM, INK)
        self._lines(pen, self.legend_top, self.legend, TEXT, MUTED)
        return frame

    def _lines(self, pen: ImageDraw.ImageDraw, top: int, lines: Sequence[str], size: int, colour: Colour) -> None:
        for number, line in enumerate(lines):
            write(pen, (MARGIN, top + number * LINE), line, size, colour)

    def _picture(self) -> list[list[Cell]]:
        """Return the pixels in their greys, and the zeros around them on paper."""
        most = float(self.all.padded.max()) or 1
        inside = np.zeros(self.all.padded.shape, dtype=bool)
        inside[self.all.picture] = True
        return [
            [
                _grey(text, round(255 * float(self.all.padded[i, j]) / most))
                if inside[i, j]
                else Cell(text=text, ink=MUTED)
                for j, text in enumerate(row)
            ]
            for i, row in enumerate(self.pixels)
        ]

    @staticmethod
    def _outline(pen: ImageDraw.ImageDraw, place: Place, cell: Pair, corner: Pair, size: Pair) -> None:
        left, top = place[0] + corner[1] * cell[0], place[1] + corner[0] * cell[1]
        pen.rectangle((left - 2, top - 2, left + size[1] * cell[0] + 2, top + size[0] * cell[1] + 2), None, WINDOW, 5)


def _grey(text: str, level: int) -> Cell:
    return Cell(text=text, paper=(level, level, level), ink=readable_on((level, level, level)))


def _tinted(texts: Sequence[Sequence[str]], values: NDArray[np.floating], most: float) -> list[list[Cell]]:
    return [
        [
            Cell(text=text.strip(), paper=tint(float(value) / (most or 1)), ink=INK if value else MUTED)
            for text, value in zip(row, of_row, strict=True)
        ]
        for row, of_row in zip(texts, values.tolist(), strict=True)
    ]
