"""The images that a network takes for something else, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.datasets import to_unit
from workbench.network.mistakes import Mistakes
from workbench.pictures.sheet import Sheet
from workbench.pictures.style import MUTED, RIGHT, SMALL, TEXT, WRONG
from workbench.showing.parts import INSIDE, LINE, MARGIN, as_pixels, factor, head
from workbench.showing.views import left_out, reduced, reduction

COLUMNS, MOST = 8, 48
"""The images side by side, and the most at all."""

SIDE = 200


def draw_mistakes(found: Mistakes, classes: Sequence[str], title: str) -> Sheet:
    """Draw the mistakes of a network, the most confident first, each with what it is and what it was taken for."""
    total, drawn = len(found.mistakes), found.mistakes[:MOST]
    notes = [
        f"{total:,} of the {found.samples:,} {found.split} images are taken for something else. The most confident "
        "mistakes come first. Below an image: what the network says, how sure it is, what it is, its number in the data.",
        left_out(total, len(drawn), "are drawn").capitalize(),
    ]
    sheet, y = head(title, notes)
    step = INSIDE // COLUMNS
    for place, mistake in enumerate(drawn):
        row, column = divmod(place, COLUMNS)
        x, top = MARGIN + column * step, y + row * (SIDE + 3 * LINE + 24)
        image = to_unit(mistake.image)
        pixels = as_pixels(reduced(image, reduction(image, SIDE)))
        sheet.paste(x, top, pixels, factor(pixels, SIDE), framed=True)
        top += SIDE + TEXT + 6
        share = f"{mistake.probability:.0%}" if mistake.probability < 0.995 else ">99%"
        sheet.write(x, top, f"says {classes[mistake.predicted]}", colour=WRONG, bold=True, width=step - 90)
        sheet.write(x + SIDE, top, share, size=SMALL, colour=MUTED, anchor="right")
        sheet.write(x, top + LINE, f"is {classes[mistake.label]}", colour=RIGHT, bold=True, width=step - 24)
        sheet.write(x, top + 2 * LINE - 4, f"number {mistake.index:,}", size=SMALL, colour=MUTED)
    sheet.height = max(sheet.height, y) + MARGIN
    return sheet
