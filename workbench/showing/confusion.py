"""A confusion matrix as a picture: what the images of each class were taken for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.network.evaluate import Report
from workbench.pictures.sheet import Sheet, text_width
from workbench.pictures.style import (
    COUNTS,
    FAINT,
    HAIRLINE,
    HEADING,
    MUTED,
    SMALL,
    TEXT,
    readable_on,
)
from workbench.showing.parts import INSIDE, LINE, MARGIN, head

NAMES_W, LIST_W = 320, 560
"""The most width of the classes' names, and the width of the list at the right."""

LARGEST_CELL, WITH_NUMBERS, WITH_NAMES = 110, 44, 22
"""The sides of cells: the largest, and the least with numbers and with names."""

MOST_LISTED = 12
"""The most pairs of classes that are listed."""

DIAGONAL = (226, 229, 234)


def draw_confusion(report: Report, title: str) -> Sheet:
    """Draw a row for each true class and a column for each predicted one; the errors stand out, the right ones are grey."""
    counts = np.array(report.confusion, np.float64)
    names = [each.name for each in report.classes]
    errors = counts * (1 - np.eye(len(counts)))
    sheet, y = head(
        title,
        [
            f"{report.correct:,} of the {report.samples:,} {report.split} images are right ({report.accuracy:.2%}): the "
            "grey diagonal. A row is a true class, a column what the network says. Errors are blue, darker where there "
            "are more.",
        ],
    )
    y += 24
    names_w = min(NAMES_W, max(round(text_width(name, TEXT)) for name in names)) + 20
    cell = max(1, min(LARGEST_CELL, (INSIDE - names_w - LIST_W - 40) // len(names)))
    left = MARGIN + LINE + (names_w if cell >= WITH_NAMES else 20)
    colours = COUNTS.colours(errors, float(errors.max()))
    colours[np.eye(len(counts), dtype=bool)] = DIAGONAL
    top = y + LINE + (_names_above(names, cell) if cell >= WITH_NAMES else 20)
    size = len(names) * cell
    sheet.fill(left - 2, top - 2, size + 4, size + 4, FAINT)
    sheet.paste(left, top, colours, cell)
    if cell >= WITH_NAMES:
        for edge in range(1, len(names)):
            sheet.fill(left + edge * cell, top, 1, size, HAIRLINE)
            sheet.fill(left, top + edge * cell, size, 1, HAIRLINE)
    _write_names(sheet, names, left, top, cell, names_w)
    if cell >= WITH_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                x, middle = left + (column + 0.5) * cell, top + (row + 0.5) * cell + 9
                digits = min(SMALL + 2, round(cell * 1.5 / max(len(f"{count:.0f}"), 3)))
                ink = readable_on(colours[row, column])
                sheet.write(x, middle, f"{count:.0f}", size=digits, colour=ink, anchor="center")
    sheet.write(left + size / 2, y + SMALL, "what the network says", size=SMALL, colour=MUTED, anchor="center")
    sheet.write(MARGIN + SMALL, top + size / 2, "what it is", size=SMALL, colour=MUTED, anchor="center", angle=90)
    _list_errors(sheet, names, errors, left + size + 60, top)
    sheet.height += MARGIN
    return sheet


def _names_above(names: list[str], cell: int) -> int:
    """Return the height of the names of the columns: turned where they are wider than a cell."""
    widest = max(text_width(name, TEXT) for name in names)
    return TEXT + 16 if widest <= cell - 8 else round(min(widest, NAMES_W)) + 24


def _write_names(sheet: Sheet, names: list[str], left: int, top: int, cell: int, names_w: int) -> None:
    if cell < WITH_NAMES:
        ends = (names[0], names[-1])
        for at, name in zip((0, len(names) * cell), ends, strict=True):
            sheet.write(left + at, top - 10, name, size=SMALL, anchor="right" if at else "left", width=NAMES_W)
        return
    is_turned = _names_above(names, cell) > TEXT + 16
    size = min(TEXT, cell - 2)
    for place, name in enumerate(names):
        middle = (place + 0.5) * cell
        sheet.write(left - 12, top + middle + 9, name, size=size, anchor="right", width=names_w)
        x, anchor, angle = (left + middle + 9, "left", 90) if is_turned else (left + middle, "center", 0)
        sheet.write(x, top - 12, name, size=size, anchor=anchor, width=NAMES_W, angle=angle)


def _list_errors(sheet: Sheet, names: list[str], errors: NDArray[np.float64], x: int, y: int) -> None:
    """Write the pairs of classes that are confused most often."""
    order = np.argsort(-errors, axis=None, kind="stable")[:MOST_LISTED]
    pairs = [(int(errors.flat[at]), *divmod(int(at), len(names))) for at in order if errors.flat[at]]
    sheet.write(x, y + HEADING, "confused most often" if pairs else "nothing is confused", size=HEADING, bold=True)
    y += HEADING + 16
    for count, true, predicted in pairs:
        y += LINE
        sheet.write(x + 70, y, f"{count:,}", anchor="right", bold=True)
        sheet.write(x + 86, y, f"{names[true]} taken for {names[predicted]}", width=LIST_W - 90)
