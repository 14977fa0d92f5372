"""Text and matrices drawn with Pillow, in its own font, which is the same everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import ImageDraw, ImageFont

from workbench.pictures.style import HAIRLINE, INK, PAPER, Colour

Place = tuple[int, int]

POSITIVE, NEGATIVE = (86, 144, 216), (228, 132, 76)
"""Colours of numbers above and below zero, stronger for larger ones."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number in a matrix; without text, an empty place."""

    text: str = ""
    paper: Colour = PAPER
    ink: Colour = INK


def write(draw: ImageDraw.ImageDraw, start: Place, text: str, size: int, colour: Colour = INK) -> None:
    """Write a line of text; ``start`` is on its baseline."""
    draw.text(start, text, colour, font(size), anchor="ls")


def tint(share: float) -> Colour:
    """Return the colour of a number, given as a share -1..1 of the largest."""
    if share == 0:
        return PAPER
    strength = 0.14 + 0.36 * abs(share)
    red, green, blue = (
        round(paper + strength * (full - paper))
        for paper, full in zip(PAPER, POSITIVE if share > 0 else NEGATIVE, strict=True)
    )
    return red, green, blue


def draw_grid(draw: ImageDraw.ImageDraw, place: Place, cells: Sequence[Sequence[Cell]], cell: Place, size: int) -> None:
    """Draw a matrix of numbers with hairlines between them; ``cell`` is the width and height of one."""
    (left, top), (width, height) = place, cell
    right, bottom = left + len(cells[0]) * width, top + len(cells) * height
    for i, row in enumerate(cells):
        for j, each in enumerate(row):
            x, y = left + j * width, top + i * height
            draw.rectangle((x, y, x + width, y + height), each.paper)
            _draw_number(draw, (x + width // 2, y + height // 2), each, size)
    for i in range(len(cells) + 1):
        draw.line((left, top + i * height, right, top + i * height), HAIRLINE)
    for j in range(len(cells[0]) + 1):
        draw.line((left + j * width, top, left + j * width, bottom), HAIRLINE)


def _draw_number(draw: ImageDraw.ImageDraw, centre: Place, cell: Cell, size: int) -> None:
    """Draw a number; its minus is drawn as a line, since the font has only a hyphen."""
    x, y = centre
    digits = cell.text.removeprefix("-")
    minus = 11 if cell.text.startswith("-") else 0
    length = draw.textlength(digits, font(size))
    left = round(x - (minus + length) / 2)
    if minus:
        draw.line((left, y, left + 7, y), cell.ink, 2)
    draw.text((left + minus, y), digits, cell.ink, font(size), anchor="lm")


def draw_fraction(draw: ImageDraw.ImageDraw, centre: Place, divisor: int, size: int) -> None:
    """Draw one over a divisor."""
    x, y = centre
    half = round(draw.textlength(str(divisor), font(size)) / 2) + 2
    draw.text((x, y - 17), "1", INK, font(size), anchor="mm")
    draw.line((x - half, y, x + half, y), INK, 2)
    draw.text((x, y + 18), str(divisor), INK, font(size), anchor="mm")


def wrapped(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> list[str]:
    """Return a text as lines of at most ``width`` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font(size)) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font in a size in pixels."""
    return ImageFont.load_default(size)
