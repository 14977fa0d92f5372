"""The filters that the convolutions of a network have learned."""

from __future__ import annotations

from collections.abc import Sequence

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
from workbench.showing.views import FilterView, left_out, plural, reduced, reduction

MOST_LAYERS = 24
"""The most convolutions of a picture."""

MOST_INPUTS = 16
"""The most channels of a filter."""

MOST_LINES, MOST_LINES_OF_ONE = 8, 64
"""The most lines of filters of each layer, and where only one layer is drawn."""

LEAST_SIDE, SIDE, LARGE_SIDE, FEW = 60, 150, 340, 20
"""The sides of a filter: of many channels, usually, and in a picture of at most so many filters and maps."""

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
    channels, has_maps = min(inputs, MOST_INPUTS), view.maps is not None
    wanted = LEAST_SIDE if channels > 3 else LARGE_SIDE if large and filters * (channels + has_maps) <= FEW else SIDE
    by = reduction(view.weights, wanted)
    scale = max(1, wanted // -(-max(height, width) // by))
    tile_h, tile_w = (-(-size // by) * scale for size in (height, width))
    map_side = max(tile_h, SIDE) if has_maps else 0
    filter_w = channels * (tile_w + GAP)
    card_w, card_h = filter_w + map_side + 2 * GAP + BETWEEN, LINE + max(tile_h, map_side) + BETWEEN // 2
    columns = max(1, (INSIDE + BETWEEN) // card_w)
    drawn = min(filters, columns * (MOST_LINES_OF_ONE if large else MOST_LINES))
    columns = balanced(drawn, columns)
    details = (
        f"{plural(filters, 'filter')} of {plural(inputs, 'channel')}, {height}x{width}; weights "
        f"{in_figures(float(view.weights.min()))} to {in_figures(float(view.weights.max()))}",
        left_out(filters, drawn, "filters are drawn"),
        left_out(inputs, channels, "channels of each are drawn"),
    )
    y = describe(sheet, y, INSIDE, view.title, details) + 20
    weights = reduced(view.weights[:drawn, :channels], by)
    pixels = WEIGHTS.colours(weights, view.largest)
    for index in range(drawn):
        row, column = divmod(index, columns)
        x, top = MARGIN + column * card_w, y + row * card_h
        sheet.write(x, top + SMALL, f"{index}", size=SMALL, bold=True)
        bias = f"bias {in_figures(float(view.biases[index]), 2)}"
        if text_width(bias, SMALL) + 60 < filter_w:
            sheet.write(x + filter_w - GAP, top + SMALL, bias, size=SMALL, colour=MUTED, anchor="right")
        top += LINE - 4
        for channel in range(channels):
            left = x + channel * (tile_w + GAP)
            sheet.paste(left, top, pixels[index, channel], scale, framed=True)
            if scale >= NUMBERED and by == 1:
                write_numbers(sheet, left, top, weights[index, channel], pixels[index, channel], scale)
        if view.maps is not None:
            made = reduced(view.maps[index], reduction(view.maps, map_side))
            colours = VALUES.colours(made, float(abs(view.maps).max()))
            sheet.paste(x + filter_w + GAP, top, colours, factor(colours, map_side))
    return y + -(-drawn // columns) * card_h
