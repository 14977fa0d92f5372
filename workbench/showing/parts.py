"""What the pictures of a network are composed of: a head, legends, maps, rows of values, bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.pictures.sheet import Sheet, text_width, wrapped
from workbench.pictures.style import (
    HAIRLINE,
    HEADING,
    INK,
    MUTED,
    SMALL,
    TEXT,
    TITLE,
    VALUES,
    ColourScale,
    Pixels,
    in_figures,
    readable_on,
)
from workbench.showing.views import LayerView, reduced, reduction

WIDTH, MARGIN = 2000, 48
"""The width of a picture, which is made to be seen at half its size, and the space at its sides."""

INSIDE = WIDTH - 2 * MARGIN

LINE = 36
"""Distance between the baselines of text."""

GAP = 8
"""Space between maps."""

NUMBERED = 60
"""The least pixels of a value in which its number is written."""

_LEGEND_W, _LEGEND_H = 200, 20

_BARS = 10
"""The most bars of probability: of more classes, the most probable are drawn."""


def head(title: str, paragraphs: Sequence[str]) -> tuple[Sheet, int]:
    """Return a sheet with a title and text below it, and the y below that."""
    sheet, y = Sheet(width=WIDTH), MARGIN + TITLE
    for line in wrapped(title, INSIDE, TITLE, bold=True):
        sheet.write(MARGIN, y, line, size=TITLE, bold=True)
        y += TITLE + 10
    for paragraph in paragraphs:
        for line in wrapped(paragraph, INSIDE, TEXT):
            sheet.write(MARGIN, y, line, colour=MUTED)
            y += LINE
    return sheet, y


def legend(sheet: Sheet, y: int, scale: ColourScale, ends: tuple[str, str, str]) -> int:
    """Draw a scale of colours with words for its lower end, its middle and its upper end; return the y below."""
    x = MARGIN
    width = round(text_width(ends[0], SMALL)) + 14
    sheet.write(x, y + _LEGEND_H - 2, ends[0], size=SMALL)
    shares = np.linspace(-1, 1, _LEGEND_W)[np.newaxis].repeat(_LEGEND_H, axis=0)
    sheet.paste(x + width, y, scale.colours(shares, 1), framed=True)
    middle = x + width + _LEGEND_W // 2
    sheet.fill(middle - 1, y + _LEGEND_H, 2, 8, MUTED)
    sheet.write(middle, y + _LEGEND_H + SMALL + 8, ends[1], size=SMALL, anchor="center")
    sheet.write(x + width + _LEGEND_W + 14, y + _LEGEND_H - 2, ends[2], size=SMALL)
    return y + _LEGEND_H + SMALL + 30


def as_pixels(image: NDArray[np.floating]) -> Pixels:
    """Return a picture (C, H, W) in 0..1 as (H, W, 3)."""
    channels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.moveaxis(channels if len(channels) == 3 else channels[:1].repeat(3, axis=0), 0, -1)


def map_pixels(view: LayerView, side: int, drawn: int) -> Pixels:
    """Return the first maps of a layer in colours, (N, H, W, 3), reduced to ``side``; the input is one picture."""
    values = reduced(view.values[: drawn if view.place else None], reduction(view.values, side))
    return VALUES.colours(values, view.largest) if view.place else as_pixels(values)[np.newaxis]


def factor(pixels: Pixels, side: int) -> int:
    """Return the whole factor by which pixels (..., H, W, 3) are enlarged to about ``side``."""
    return max(1, side // int(max(pixels.shape[-3:-1])))


def balanced(count: int, most: int) -> int:
    """Return the columns of so many things, at most ``most``, so that the last line is nearly as long as the others."""
    return -(-count // -(-count // most))


def reduction_note(view: LayerView, side: int) -> str:
    """Return a note if the maps of a layer are drawn smaller than they are, else ""."""
    by = 1 if view.values.ndim == 1 else reduction(view.values, side)
    return f"a pixel is the mean of {by}x{by} values" if by > 1 else ""


def write_numbers(sheet: Sheet, x: int, y: int, values: NDArray[np.floating], pixels: Pixels, scale: int) -> None:
    """Write the values (H, W) into their pixels (H, W, 3), which are drawn ``scale`` pixels high and wide."""
    numbers = {at: _short(float(value)) for at, value in np.ndenumerate(values)}
    size = min(TEXT, int(1.45 * scale / max(map(len, numbers.values()))))
    for (row, column), words in numbers.items():
        middle = (x + (column + 0.5) * scale, y + (row + 0.5) * scale + 0.36 * size)
        sheet.write(*middle, words, size=size, colour=readable_on(pixels[row, column]), anchor="center")


def _short(value: float) -> str:
    """Return a number in few characters."""
    return f"{value:z.2f}".replace("-", "\N{MINUS SIGN}") if 0 < abs(value) < 100 else in_figures(value)


def cells(
    sheet: Sheet, x: int, y: int, values: NDArray[np.floating], *, side: int, columns: int, largest: float
) -> int:
    """Draw values (M,) as cells, row by row, with their numbers where these fit; return the y below."""
    colours = VALUES.colours(values, largest)
    for index in range(len(values)):
        row, column = divmod(index, columns)
        left, top, pixel = x + column * side, y + row * side, colours[index : index + 1, np.newaxis]
        sheet.paste(left, top, pixel, side - 2)
        if side >= NUMBERED:
            write_numbers(sheet, left, top, values[index : index + 1, np.newaxis], pixel, side - 2)
    return y + -(-len(values) // columns) * side


def bars(sheet: Sheet, x: int, y: int, names: Sequence[str], shares: NDArray[np.floating], width: int) -> int:
    """Draw probabilities as bars, of many classes the most probable; return the y below."""
    order = np.argsort(-shares, kind="stable")
    few = len(shares) <= _BARS
    drawn = range(len(shares)) if few else order[:_BARS].tolist()
    name_w = min(380, max(round(text_width(names[index], TEXT, bold=True)) for index in drawn) + 20)
    room = width - name_w - 130
    for index in drawn:
        share = float(shares[index])
        best = bool(index == order[0])
        sheet.write(x, y + TEXT, names[index], bold=best, width=name_w - 16)
        sheet.fill(x + name_w, y + 4, room, TEXT, HAIRLINE)
        sheet.fill(x + name_w, y + 4, max(2, round(room * share)), TEXT, INK)
        sheet.write(x + name_w + room + 16, y + TEXT, f"{share:.1%}", bold=best)
        y += LINE
    if not few:
        rest = 1 - float(shares[order[:_BARS]].sum())
        sheet.write(x, y + TEXT, f"the other {len(shares) - _BARS:,} classes: {max(rest, 0):.1%}", colour=MUTED)
        y += LINE
    return y


def rule(sheet: Sheet, y: int) -> None:
    """Draw a line between the parts of a sheet."""
    sheet.fill(MARGIN, y, INSIDE, 2, HAIRLINE)


def describe(sheet: Sheet, y: int, width: int, heading: str, details: Sequence[str]) -> int:
    """Write a heading and lines below it at the left; return the y below."""
    y += HEADING
    for line in wrapped(heading, width, HEADING, bold=True):
        sheet.write(MARGIN, y, line, size=HEADING, bold=True)
        y += LINE
    for detail in filter(None, details):
        for line in wrapped(detail, width, SMALL):
            sheet.write(MARGIN, y, line, size=SMALL, colour=MUTED)
            y += 30
    return y - 14
