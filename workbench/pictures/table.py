"""A table of the named filters as one picture, after the article's: each filter's matrix next to its effect.

U. Karn, "An Intuitive Explanation of Convolutional Neural Networks" (2016), section "The Convolution Step".
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from workbench.pictures.drawing import Cell, draw_fraction, draw_grid, tint, wrapped, write
from workbench.pictures.filters import FILTERS, Filter, Pair, apply_filter, to_pixels
from workbench.pictures.images import resize, to_channels
from workbench.pictures.style import FAINT, HAIRLINE, INK, MUTED, PAPER

COLUMNS = 2
MARGIN, GUTTER = 48, 64
HEADER, ROW_PADDING = 160, 30
"""Heights: the title; the padding above and below a filter."""
TITLE, NAME, TEXT, NUMBER = 40, 26, 19, 23
"""Font sizes, in pixels."""
LINE = 28
"""Distance between lines of text."""
CAPTION_W, GAP = 248, 28
"""Width of a filter's name, description and matrix, left of its picture; the gap between them."""
CELL, FACTOR = 48, 46
"""Size of a matrix's cell; width of the column left of it for a factor such as 1/9."""
ASCENT, MATRIX_TOP = 19, 82
"""Distances from a filter's top to the baseline of its name and to its matrix."""

BOX_H, BOX_W, BOX_AREA = 300, 344, 340 * 226
"""The maximum size of a picture."""
LEAST_W = 160
"""The width reserved for a narrow picture, so that there is room for the text."""
MAGNIFICATION = 2
"""The minimum magnification if the picture has enough pixels: otherwise a change of 3 x 3 of them is hard to see."""


def draw_table(image: NDArray[np.uint8]) -> Image.Image:
    """Draw the table of all named filters.

    The picture is scaled down until the reach of a filter is visible, filtered without padding (which would show as a
    frame), and enlarged again by an integer factor, every pixel to a square.

    Parameters
    ----------
    image
        (C, H, W) uint8.

    Returns
    -------
    table
        In RGB.

    Raises
    ------
    ShapeError
        The picture is smaller than a filter.
    """
    small, magnification = _scale_down(image)
    pictures = {name: _effect(small, kernel, magnification) for name, kernel in FILTERS.items()}
    picture_w, picture_h = pictures["identity"].size

    entry_w = CAPTION_W + GAP + max(picture_w, LEAST_W)
    entry_h = max(MATRIX_TOP + 3 * CELL + 1, picture_h)
    picture_top = entry_h - picture_h - max(0, 3 * CELL + 1 - picture_h) // 2  # a low picture is next to its matrix
    row_h = ROW_PADDING + entry_h + ROW_PADDING
    rows = len(FILTERS) // COLUMNS + 1  # at least one place is left for the note
    width = 2 * MARGIN + COLUMNS * entry_w + (COLUMNS - 1) * GUTTER
    table = Image.new("RGB", (width, HEADER + rows * row_h + MARGIN - ROW_PADDING), PAPER)
    draw = ImageDraw.Draw(table)

    write(draw, (MARGIN, MARGIN + 30), "Filters and what they do", TITLE)
    write(draw, (MARGIN, MARGIN + 70), _subtitle(image), TEXT, MUTED)
    for place in range(COLUMNS * rows):
        column, row = divmod(place, rows)
        left, top = MARGIN + column * (entry_w + GUTTER), HEADER + row * row_h
        draw.line((left, top, left + entry_w - 1, top), INK if row == 0 else HAIRLINE, 2 if row == 0 else 1)
        top += ROW_PADDING
        if place < len(FILTERS):
            name, kernel = list(FILTERS.items())[place]
            _draw_caption(draw, (left, top), kernel)
            x, y = left + CAPTION_W + GAP, top + picture_top
            draw.rectangle((x - 1, y - 1, x + picture_w, y + picture_h), outline=HAIRLINE)
            table.paste(pictures[name], (x, y))
        elif place == len(FILTERS):
            _draw_note(draw, (left, top), entry_w, small, magnification)
    return table


def _subtitle(image: NDArray[np.uint8]) -> str:
    channels, height, width = image.shape
    each = "" if channels == 1 else ", over each colour by itself"
    return f"conv2d slides a matrix over a picture of {width} x {height} pixels{each}."


def _scale_down(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Return the picture to be filtered, and the magnification of the result."""
    height, width = (max(1, side - 2) for side in image.shape[1:])  # the output size of a 3 x 3 filter
    fit = min(BOX_H / height, BOX_W / width, (BOX_AREA / (height * width)) ** 0.5)
    scale = min(1.0, fit / MAGNIFICATION)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in (height, width))
        image = resize(image, (height + 2, width + 2))
    return image, int(fit / scale + 1e-6)


def _effect(image: NDArray[np.uint8], kernel: Filter, magnification: int) -> Image.Image:
    pixels = to_pixels(apply_filter(image, kernel, padding="valid"))
    _, height, width = pixels.shape
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(to_channels(pixels, 3), 0, 2)))
    return picture.resize((width * magnification, height * magnification), Image.Resampling.NEAREST)


def _draw_caption(draw: ImageDraw.ImageDraw, place: Pair, kernel: Filter) -> None:
    """Draw the name, the description below it, and the matrix below that."""
    left, top = place
    write(draw, (left, top + ASCENT), kernel.name, NAME)
    write(draw, (left, top + ASCENT + LINE), kernel.description, TEXT, MUTED)
    top += MATRIX_TOP
    if kernel.divisor > 1:
        draw_fraction(draw, (left + FACTOR // 2 - 6, top + 3 * CELL // 2), kernel.divisor, NUMBER)
    _draw_matrix(draw, (left + FACTOR, top), kernel)


def _draw_matrix(draw: ImageDraw.ImageDraw, place: Pair, kernel: Filter) -> None:
    largest = max(abs(weight) for row in kernel.matrix for weight in row)
    cells = [
        [Cell(text=str(weight), paper=tint(weight / largest), ink=INK if weight else FAINT) for weight in row]
        for row in kernel.matrix
    ]
    draw_grid(draw, place, cells, (CELL, CELL), NUMBER)


def _draw_note(
    draw: ImageDraw.ImageDraw, place: Pair, width: int, image: NDArray[np.uint8], magnification: int
) -> None:
    left, top = place
    write(draw, (left, top + ASCENT), "How to read it", NAME)
    _, height, wide = image.shape
    paragraphs = (
        "A pixel and its neighbours are multiplied by the numbers of the matrix; the sum is the new pixel, rounded, and "
        "clipped to 0..255. Blue adds, orange takes away.",
        f"The picture was filtered at {wide} x {height} pixels and is shown {magnification} times as large, "
        "so that the effect on single pixels can be seen.",
    )
    y = top + ASCENT + 6 + LINE
    for paragraph in paragraphs:
        for line in wrapped(draw, paragraph, width, TEXT):
            write(draw, (left, y), line, TEXT, MUTED)
            y += LINE
        y += LINE // 2
