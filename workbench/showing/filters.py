"""The filters that the convolutions of a network have learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.pictures.sheet import Sheet, text_width
from workbench.pictures.style import MUTED, SMALL, VALUES, WEIGHTS, in_figures
from workbench.showing.parts import (
    INSIDE,
    LINE,
    MARGIN,
    NUMBERED,
    balanced,
    describe,
    factor,
    head,
    legend,
    rule,
    write_numbers,
)
from workbench.showing.views import FilterView, left_out, reduced, reduction
from workbench.system.numbers import plural

MOST_LAYERS = 24
"""The most convolutions of a picture."""

MOST_INPUTS = 16
"""The most channels of a filter."""

SIDES = ((340, 2), (150, 3), (96, 6), (60, 8))
"""The sides of a filter, with the most lines of them: the fewer, the larger."""

MOST_LINES_OF_ONE = 64
"""The most lines of the smallest filters where only one layer is drawn."""

LEAST_MAP = 120
"""The least side of a map."""

GAP, BETWEEN = 6, 36
"""Space between the channels of a filter, and between filters."""


def draw_filters(views: Sequence[FilterView], title: str) -> Sheet:
    """Draw the filters of every convolution, channel by channel, each with the map that it makes if there are any."""
    notes = ["A filter has one square of weights for each channel that it reads. Each layer has a scale of its own."]
    if views[0].maps is not None:
        notes.append("At the right of a filter is the map that it makes of the picture, in black, amber and blue.")
    notes.append(
        left_out(len(views), MOST_LAYERS, "convolutions are drawn; --layer draws one of the others").capitalize()
    )
    sheet, y = head(title, notes)
    y = legend(sheet, y, WEIGHTS, ("takes away", "0", "adds"))
    for view in views[:MOST_LAYERS]:
        rule(sheet, y)
        y = _draw_layer(sheet, y + 16, view, large=len(views) == 1) + 24
    sheet.height = y + MARGIN
    return sheet


def _draw_layer(sheet: Sheet, y: int, view: FilterView, *, large: bool) -> int:
    filters, inputs, height, width = map(int, view.weights.shape)
    card = _fitting_card(view, large)
    channels, columns, drawn, map_side = card.channels, card.columns, card.drawn, card.map_side
    details = (
        f"{plural(filters, 'filter')} of {plural(inputs, 'channel')}, {height}x{width}; weights "
        f"{in_figures(float(view.weights.min()))} to {in_figures(float(view.weights.max()))}",
        left_out(filters, drawn, "filters are drawn"),
        left_out(inputs, channels, "channels of each are drawn"),
    )
    y = describe(sheet, y, INSIDE, view.title, details) + 20
    by = reduction(view.weights, card.side)
    weights = reduced(view.weights[:drawn, :channels], by)
    pixels = WEIGHTS.colours(weights, view.largest)
    scale = factor(pixels, card.side)
    for index in range(drawn):
        row, column = divmod(index, columns)
        x, top = MARGIN + column * card.width, y + row * card.height
        sheet.write(x, top + SMALL, f"{index}", size=SMALL, bold=True)
        bias = f"bias {in_figures(float(view.biases[index]), 2)}"
        if text_width(bias, SMALL) + 60 < card.filter_width:
            sheet.write(x + card.filter_width - GAP, top + SMALL, bias, size=SMALL, colour=MUTED, anchor="right")
        top += LINE - 4
        for channel in range(channels):
            left = x + channel * (card.filter_width // channels)
            sheet.paste(left, top, pixels[index, channel], scale, framed=True)
            if scale >= NUMBERED and by == 1:
                write_numbers(sheet, left, top, weights[index, channel], pixels[index, channel], scale)
        if view.maps is not None:
            made = reduced(view.maps[index], reduction(view.maps, map_side))
            colours = VALUES.colours(made, float(abs(view.maps).max()))
            sheet.paste(x + card.filter_width + GAP, top, colours, factor(colours, map_side))
    return y + -(-drawn // columns) * card.height


@dataclass(frozen=True, kw_only=True)
class _Card:
    """How a filter is drawn: the sides of a channel and of a map, the width of the channels; how many are drawn."""

    side: int
    channels: int
    map_side: int
    filter_width: int
    width: int
    height: int
    columns: int
    drawn: int


def _fitting_card(view: FilterView, large: bool) -> _Card:
    """Return the largest card with which all filters fit into its lines, else the smallest."""
    for side, lines in SIDES:
        is_last = side == SIDES[-1][0]
        card = _card(view, side, MOST_LINES_OF_ONE if large and is_last else lines)
        if card.drawn == len(view.weights):
            break
    return card


def _card(view: FilterView, side: int, lines: int) -> _Card:
    filters, inputs, height, width = map(int, view.weights.shape)
    channels, by = min(inputs, MOST_INPUTS), reduction(view.weights, side)
    height, width = -(-height // by), -(-width // by)
    scale = max(1, side // max(height, width))
    map_side = 0 if view.maps is None else max(side, LEAST_MAP)
    filter_width = channels * (width * scale + GAP)
    card_width = filter_width + map_side + 2 * GAP + BETWEEN
    columns = max(1, (INSIDE + BETWEEN) // card_width)
    drawn = min(filters, lines * columns) if card_width - BETWEEN <= INSIDE else 0
    return _Card(
        side=side,
        channels=channels,
        map_side=map_side,
        filter_width=filter_width,
        width=card_width,
        height=LINE + max(height * scale, map_side) + BETWEEN // 2,
        columns=balanced(drawn, columns) if drawn else columns,
        drawn=drawn,
    )
