"""All layers of a network for one picture, in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.pictures.sheet import Sheet
from workbench.pictures.style import MUTED, TEXT, VALUES
from workbench.showing.parts import (
    GAP,
    LINE,
    MARGIN,
    WIDTH,
    balanced,
    bars,
    cells,
    describe,
    factor,
    head,
    legend,
    map_pixels,
    reduction_note,
    rule,
)
from workbench.showing.views import LayerView, left_out, reduction

COLUMN = 430
"""Where the values of the layers begin, to the right of their names."""

ROOM = WIDTH - MARGIN - COLUMN
NAME_W = COLUMN - MARGIN - 24
"""The widths of the values and of the names."""

INPUT = 232
MAPS = ((224, 1), (128, 2), (64, 4))
"""The sides of the picture and of the maps of a layer, with the most lines of them: the fewer, the larger."""

CELL, SMALL_CELL, CELL_LINES = 96, 25, 10
"""The sides of values of flat layers, with and without their numbers, and the most lines of them."""

MOST_LAYERS = 60

ORDER_NOTE = (
    "Every layer in turn, from the picture to the probabilities. A layer's largest value is the brightest of its colours: "
    "each layer has a scale of its own."
)


def draw_overview(views: Sequence[LayerView], names: Sequence[str], shares: NDArray[np.floating], title: str) -> Sheet:
    """Draw the picture as the network sees it, every layer, and the probabilities of the classes."""
    sheet, y = head(title, [ORDER_NOTE])
    y = legend(sheet, y, VALUES, ("below zero", "0", "above zero"))
    for view in views[: MOST_LAYERS + 1]:
        rule(sheet, y)
        y = _draw_row(sheet, y + 16, view) + 18
    note = left_out(len(views) - 1, MOST_LAYERS, "layers are drawn; --layer draws one of the others")
    if note:
        rule(sheet, y)
        sheet.write(MARGIN, y + 16 + TEXT, note, colour=MUTED)
        y += 34 + LINE
    rule(sheet, y)
    below = describe(sheet, y + 16, NAME_W, "probabilities", ["the softmax of the last values"])
    y = max(below, bars(sheet, COLUMN, y + 16, names, shares, ROOM))
    sheet.height = y + MARGIN
    return sheet


def _draw_row(sheet: Sheet, y: int, view: LayerView) -> int:
    """Draw a layer, its name at the left and its values at the right; return the y below."""
    if view.same:
        return describe(sheet, y, ROOM, view.title, [view.same])
    side, drawn = _layout(view)
    details = (view.size, view.range, left_out(view.count, drawn, "are drawn"), reduction_note(view, side))
    below = describe(sheet, y, NAME_W, view.title, details)
    if view.values.ndim == 1:
        values = view.values[:drawn]
        return max(
            below,
            cells(sheet, COLUMN, y, values, side=side, columns=balanced(drawn, ROOM // side), largest=view.largest),
        )
    columns = balanced(drawn, _columns(view, side))
    pixels = map_pixels(view, side, drawn)
    scale = factor(pixels, side)
    height, width = (scale * int(size) for size in pixels.shape[1:3])
    for index, each in enumerate(pixels):
        row, column = divmod(index, columns)
        x, top = COLUMN + column * (width + GAP), y + row * (height + GAP)
        sheet.paste(x, top, each, scale, framed=not view.place)
        below = max(below, top + height)
    return below


def _layout(view: LayerView) -> tuple[int, int]:
    """Return the side of the maps or cells of a layer, and how many are drawn."""
    if not view.place:
        return INPUT, view.count
    if view.values.ndim == 1:
        side = CELL if view.count * CELL <= ROOM else SMALL_CELL
        return side, min(view.count, ROOM // side * CELL_LINES)
    for side, lines in MAPS:
        fitting = lines * _columns(view, side)
        if view.count <= fitting:
            break
    return side, min(view.count, fitting)


def _columns(view: LayerView, side: int) -> int:
    """Return how many maps of about this side fit beside each other."""
    height, width = (-(-int(size) // reduction(view.values, side)) for size in view.values.shape[1:])
    return max(1, ROOM // (width * max(1, side // max(height, width)) + GAP))
