"""One layer of a network for one picture, large."""

from __future__ import annotations

import math

from workbench.pictures.sheet import Sheet
from workbench.pictures.style import MUTED, SMALL, VALUES, in_figures
from workbench.showing.parts import (
    GAP,
    INSIDE,
    LINE,
    MARGIN,
    NUMBERED,
    balanced,
    cells,
    factor,
    head,
    legend,
    map_pixels,
    reduction_note,
    write_numbers,
)
from workbench.showing.views import LayerView, left_out

CELL, SMALL_CELL = 95, 40
"""The sides of the values of flat layers: with and without their numbers."""

MOST_NUMBERED, MOST_CELLS = 400, 2400
"""The most values with numbers, and the most at all."""

LEAST_STEP, LEAST_WITH_LARGEST = 96, 230
"""The least room for the number of a map above it, and for its largest value beside that."""

MOST_MAPS, MOST_COLUMNS = 144, 12
LARGEST_MAP = 1120
"""The most maps, the most side by side, and the largest side of one."""


def draw_layer(view: LayerView, title: str) -> Sheet:
    """Draw every map or value of a layer, with numbers where these fit."""
    side, drawn = _layout(view)
    notes = (
        ", ".join(filter(None, (f"{view.title}: {view.size}", view.range, view.same))),
        left_out(view.count, drawn, "are drawn"),
        reduction_note(view, side),
    )
    sheet, y = head(title, ["; ".join(filter(None, notes))])
    if view.place:
        y = legend(sheet, y, VALUES, ("below zero", "0", "above zero"))
    if view.values.ndim == 1:
        y = cells(sheet, MARGIN, y, view.values[:drawn], side=side, columns=INSIDE // side, largest=view.largest)
    else:
        y = _draw_maps(sheet, y, view, side, drawn)
    sheet.height = y + MARGIN
    return sheet


def _layout(view: LayerView) -> tuple[int, int]:
    """Return the side and the number of the maps or cells."""
    if view.values.ndim == 1:
        side = CELL if view.count <= MOST_NUMBERED else SMALL_CELL
        return side, min(view.count, MOST_CELLS)
    if not view.place:
        return INSIDE, view.count
    drawn = min(view.count, MOST_MAPS)
    columns = balanced(drawn, min(MOST_COLUMNS, math.ceil(math.sqrt(1.5 * drawn))))
    return min(INSIDE // columns - 2 * GAP, LARGEST_MAP), drawn


def _draw_maps(sheet: Sheet, y: int, view: LayerView, side: int, drawn: int) -> int:
    """Draw maps below their numbers; return the y below."""
    pixels = map_pixels(view, side, drawn)
    scale = factor(pixels, side)
    height, width = (scale * int(size) for size in pixels.shape[1:3])
    step = max(width, LEAST_STEP) + 2 * GAP
    columns = balanced(drawn, max(1, INSIDE // step))
    for index, each in enumerate(pixels):
        row, column = divmod(index, columns)
        x, top = MARGIN + column * step, y + row * (height + LINE + 2 * GAP)
        if view.place:
            sheet.write(x, top + SMALL, f"map {index}", size=SMALL, bold=True)
            largest = f"max {in_figures(float(view.values[index].max()))}"
            if width > LEAST_WITH_LARGEST:
                sheet.write(x + width, top + SMALL, largest, size=SMALL, colour=MUTED, anchor="right")
            top += LINE - 4
        sheet.paste(x, top, each, scale, framed=not view.place)
        if scale >= NUMBERED and (view.place or view.count == 1):
            write_numbers(sheet, x, top, view.values[index], each, scale)
    return y + -(-drawn // columns) * (height + LINE + 2 * GAP)
