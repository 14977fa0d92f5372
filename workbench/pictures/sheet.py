"""A sheet: tiles of pixels and labels at places in pixels, written as a PNG file.

Tiles are enlarged by whole factors, so that each of their pixels is a rectangle of one colour.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from workbench.pictures.style import FAINT, INK, PAPER, TEXT, Colour, Pixels
from workbench.system.files import atomic_path
from workbench.system.terminal import one_line

_DOTS = 200
"""Pixels of a sheet per inch of matplotlib's figure."""

EXCESS = 0.01
"""What is added to the pixels of a side: of a product that is a little too small matplotlib cuts off a pixel."""

_ELLIPSIS = "…"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Pixels (H, W, 3) whose upper left corner is at x, y; each is drawn ``scale`` pixels high and wide."""

    x: int
    y: int
    pixels: Pixels
    scale: tuple[int, int] = (1, 1)


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text on a baseline; ``x`` is its "left", "center" or "right"."""

    x: float
    y: float
    text: str
    size: int
    colour: Colour
    anchor: str
    bold: bool
    angle: float


class _Paper(Artist):
    """Pixels (H, W, 3) from the upper left corner of a figure on; ``figimage`` would make copies of them in floats."""

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        self._pixels = np.concatenate([pixels, opaque], axis=2)[::-1]

    def draw(self, renderer: Any) -> None:
        """Draw them; called by matplotlib."""
        context = renderer.new_gc()
        renderer.draw_image(context, 0, 0, self._pixels)
        context.restore()


@dataclass(kw_only=True)
class Sheet:
    """What is drawn, on white paper that reaches as far down as needed."""

    width: int
    height: int = 0
    tiles: list[Tile] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def paste(self, x: int, y: int, pixels: Pixels, scale: int = 1, *, framed: bool = False) -> None:
        """Draw pixels (H, W, 3), enlarged by a whole factor; with a hairline around them if ``framed``."""
        height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
        if framed:
            self.fill(x - 2, y - 2, width + 4, height + 4, FAINT)
        self._add(Tile(x=x, y=y, pixels=pixels, scale=(scale, scale)))

    def fill(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """Draw a rectangle."""
        self._add(Tile(x=x, y=y, pixels=np.full((1, 1, 3), colour, np.uint8), scale=(height, width)))

    def write(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = TEXT,
        colour: Colour = INK,
        anchor: str = "left",
        bold: bool = False,
        angle: float = 0,
        width: float | None = None,
    ) -> None:
        """Write a line of text on the baseline ``y``, cut to a width where one is given."""
        text = one_line(text)
        if width is not None:
            text = cut(text, width, size, bold=bold)
        self.labels.append(Label(x=x, y=y, text=text, size=size, colour=colour, anchor=anchor, bold=bold, angle=angle))
        self.height = max(self.height, round(y + size / 2))

    def pixels(self) -> Pixels:
        """Return the tiles on paper, without the labels, (H, W, 3)."""
        found = np.full((self.height, self.width, 3), PAPER, np.uint8)
        for tile in self.tiles:
            drawn = tile.pixels.repeat(tile.scale[0], axis=0).repeat(tile.scale[1], axis=1)
            top, left = max(0, -tile.y), max(0, -tile.x)
            drawn = drawn[top : self.height - tile.y, left : self.width - tile.x]
            y, x = max(0, tile.y), max(0, tile.x)
            found[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn
        return found

    def save(self, path: Path) -> None:
        """Write the sheet to a PNG file, atomically.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        width, height = self.width + EXCESS, self.height + EXCESS
        figure = Figure(figsize=(width / _DOTS, height / _DOTS), dpi=_DOTS)
        FigureCanvasAgg(figure)
        figure.add_artist(_Paper(self.pixels()))
        for label in self.labels:
            figure.text(
                label.x / self.width,
                1 - label.y / self.height,
                label.text,
                color=tuple(part / 255 for part in label.colour),
                fontproperties=_font(label.bold),
                fontsize=label.size * 72 / _DOTS,
                horizontalalignment=label.anchor,
                verticalalignment="baseline",
                rotation=label.angle,
                rotation_mode="anchor",
                parse_math=False,
            )
        with warnings.catch_warnings(), atomic_path(path) as file:
            warnings.filterwarnings("ignore", message="Glyph")  # characters that the font lacks are shown as boxes
            figure.savefig(file, dpi=_DOTS, format="png", metadata={"Software": None})

    def _add(self, tile: Tile) -> None:
        self.tiles.append(tile)
        self.height = max(self.height, tile.y + tile.pixels.shape[0] * tile.scale[0])


def text_width(text: str, size: int, *, bold: bool = False) -> float:
    """Return the width of a line of text, in pixels."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        width, _, _ = _measure().get_text_width_height_descent(text, _font(bold, size), False)
    return float(width)


def cut(text: str, width: float, size: int, *, bold: bool = False) -> str:
    """Return as much of a text as fits into a width, with an ellipsis where it was cut."""
    text = text[: int(width)]  # no character is narrower than a pixel
    if text_width(text, size, bold=bold) <= width:
        return text
    lengths = range(1, len(text) + 1)
    most = bisect_left(lengths, True, key=lambda length: text_width(text[:length] + _ELLIPSIS, size, bold=bold) > width)
    return text[:most] + _ELLIPSIS


def wrapped(text: str, width: float, size: int, *, bold: bool = False) -> list[str]:
    """Return the lines of a text that fit into a width, broken between words."""
    lines: list[str] = []
    for word in one_line(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(cut(word, width, size, bold=bold))
    return lines


@cache
def _font(bold: bool, size: int | None = None) -> Any:
    return FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=size)


@cache
def _measure() -> Any:
    return TextToPath()
