"""The article's table of filters as one picture: each filter's matrix next to its effect.

U. Karn, "An Intuitive Explanation of Convolutional Neural Networks" (2016), section "The Convolution Step".
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workbench.pictures.filters import FILTERS, Filter, Pair, apply_filter, to_pixels
from workbench.pictures.images import resize, to_channels
from workbench.pictures.style import FAINT, HAIRLINE, INK, MUTED, PAPER, Colour

POSITIVE, NEGATIVE = (86, 144, 216), (228, 132, 76)
"""Colours of a matrix's cells, stronger for larger weights."""

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

    _text(draw, (MARGIN, MARGIN + 30), "Filters and what they do", TITLE)
    _text(draw, (MARGIN, MARGIN + 70), _subtitle(image), TEXT, MUTED)
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


def _text(draw: ImageDraw.ImageDraw, start: Pair, text: str, size: int, colour: Colour = INK) -> None:
    """Write a line of text; ``start`` is on its baseline."""
    draw.text(start, text, colour, _font(size), anchor="ls")


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
    _text(draw, (left, top + ASCENT), kernel.name, NAME)
    _text(draw, (left, top + ASCENT + LINE), kernel.description, TEXT, MUTED)
    top += MATRIX_TOP
    if kernel.divisor > 1:
        _draw_fraction(draw, (left + FACTOR // 2 - 6, top + 3 * CELL // 2), kernel.divisor)
    _draw_matrix(draw, (left + FACTOR, top), kernel)


def _draw_matrix(draw: ImageDraw.ImageDraw, place: Pair, kernel: Filter) -> None:
    left, top = place
    height, width = (CELL * count for count in kernel.size)
    largest = max(abs(weight) for row in kernel.matrix for weight in row)
    for i, row in enumerate(kernel.matrix):
        for j, weight in enumerate(row):
            x, y = left + j * CELL, top + i * CELL
            draw.rectangle((x, y, x + CELL, y + CELL), _tint(weight / largest))
            _draw_number(draw, (x + CELL // 2, y + CELL // 2), weight)
    for i in range(kernel.size[0] + 1):
        draw.line((left, top + i * CELL, left + width, top + i * CELL), HAIRLINE)
    for j in range(kernel.size[1] + 1):
        draw.line((left + j * CELL, top, left + j * CELL, top + height), HAIRLINE)


def _tint(share: float) -> Colour:
    """Return the colour of a cell for its weight, given as a share -1..1 of the largest."""
    if share == 0:
        return PAPER
    strength = 0.14 + 0.36 * abs(share)
    red, green, blue = (
        round(paper + strength * (tint - paper))
        for paper, tint in zip(PAPER, POSITIVE if share > 0 else NEGATIVE, strict=True)
    )
    return red, green, blue


def _draw_number(draw: ImageDraw.ImageDraw, centre: Pair, number: int) -> None:
    """Draw an integer; the minus is drawn as a line, since the font has only a hyphen."""
    x, y = centre
    digits = str(abs(number))
    minus = 11 if number < 0 else 0
    length = draw.textlength(digits, _font(NUMBER))
    left = round(x - (minus + length) / 2)
    colour = INK if number else FAINT
    if minus:
        draw.line((left, y, left + 7, y), colour, 2)
    draw.text((left + minus, y), digits, colour, _font(NUMBER), anchor="lm")


def _draw_fraction(draw: ImageDraw.ImageDraw, centre: Pair, divisor: int) -> None:
    x, y = centre
    half = round(draw.textlength(str(divisor), _font(NUMBER)) / 2) + 2
    draw.text((x, y - 17), "1", INK, _font(NUMBER), anchor="mm")
    draw.line((x - half, y, x + half, y), INK, 2)
    draw.text((x, y + 18), str(divisor), INK, _font(NUMBER), anchor="mm")


def _draw_note(
    draw: ImageDraw.ImageDraw, place: Pair, width: int, image: NDArray[np.uint8], magnification: int
) -> None:
    left, top = place
    _text(draw, (left, top + ASCENT), "How to read it", NAME)
    _, height, wide = image.shape
    paragraphs = (
        "A pixel and its neighbours are multiplied by the numbers of the matrix; the sum is the new pixel, rounded, and "
        "clipped to 0..255. Blue adds, orange takes away.",
        f"The picture was filtered at {wide} x {height} pixels and is shown {magnification} times as large, "
        "so that the effect on single pixels can be seen.",
    )
    y = top + ASCENT + 6 + LINE
    for paragraph in paragraphs:
        for line in _wrap(draw, paragraph, width):
            _text(draw, (left, y), line, TEXT, MUTED)
            y += LINE
        y += LINE // 2


def _wrap(draw: ImageDraw.ImageDraw, text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, _font(TEXT)) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, which is the same everywhere."""
    return ImageFont.load_default(size)
