"""The roofs of a roofline: the rates that arithmetic and each level of memory allow."""

from collections.abc import Sequence
from math import atan2, degrees, hypot
from typing import Any

from workbench.report.drawing import TYPE, Drawing, Label, Line, text_width
from workbench.report.label_placement import Box, Placement, slanted_boxes
from workbench.report.scale import Scale
from workbench.system.numbers import significant


def limits(peaks: dict[str, Any], name: str) -> dict[str, float]:
    """Return the measured limits of a kind, ``gflops`` or ``gbps``."""
    return {key: float(value) for key, value in (peaks.get(name) or {}).items() if value}


def draw_roofs(
    drawing: Drawing, peaks: dict[str, Any], x: Scale, y: Scale, placement: Placement, dtypes: set[str]
) -> None:
    """Draw the compute roofs, dashed if no point has their precision, and the roof of each level of memory."""
    gflops, gbps = limits(peaks, "gflops"), limits(peaks, "gbps")
    roof = max(gflops.values(), default=y.high / 2)
    for dtype, limit in gflops.items():
        start = max([x.low, *([limit / max(gbps.values())] if gbps else [])])
        binds = not dtypes or dtype in dtypes
        role, width = ("ink", 1.6) if binds else ("muted", 1.0)
        ends = {"start": (x(start), y(limit)), "end": (x.end, y(limit))}
        drawing.lines.append(Line(**ends, role=role, width=width, dashed=not binds))
        (placement.block if binds else placement.avoid)([Box(x(start), y(limit) - 1, x.end, y(limit) + 1)])
    for dtype, limit in gflops.items():
        words = (f"{dtype} {significant(limit)} GFLOP/s", dtype)
        role = "ink" if not dtypes or dtype in dtypes else "muted"
        drawing.labels.append(_compute_name(words, role, x, y(limit), placement))
    for level, bandwidth in gbps.items():
        words = (f"{level} {significant(bandwidth)} GB/s", level)
        _bandwidth_roof(drawing, words, bandwidth, roof, x, y, placement)


def _compute_name(words: Sequence[str], role: str, x: Scale, height: float, placement: Placement) -> Label:
    """Place the name of a compute roof above or below its line, as far to the right as there is room.

    ``words`` are versions of the name, the longest first; the shorter one is used if there is no room.
    """
    places = [
        Label(at=(x.end - 4 - TYPE * step, height + down), text=text, role=role, size=TYPE, anchor="end")
        for text in words
        for step in range(max(1, int((x.end - x.start - text_width(text, TYPE)) / TYPE)))
        for down in (-5, TYPE + 2)
    ]
    label = next((place for place in places if placement.is_free([placement.box(place)])), places[-1])
    placement.block([placement.box(label)])
    return label


def _bandwidth_roof(
    drawing: Drawing, words: Sequence[str], bandwidth: float, roof: float, x: Scale, y: Scale, placement: Placement
) -> None:
    """Draw the slanted roof of a level of memory, with its name along it where there is room."""
    first, last = max(x.low, y.low / bandwidth), min(x.high, roof / bandwidth)
    start, end = (x(first), y(first * bandwidth)), (x(last), y(last * bandwidth))
    drawing.lines.append(Line(start=start, end=end, role="ink", width=1.3))
    length = hypot(end[0] - start[0], end[1] - start[1])
    angle = degrees(atan2(end[1] - start[1], end[0] - start[0]))

    def along(distance: float, down: float) -> tuple[float, float]:
        share = distance / length
        return (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share + down)

    labels, covered = [], []
    for text in words:
        width = text_width(text, TYPE)
        for down in (-5, TYPE + 3):  # above the line, below it
            for step in range(max(1, int((length - width - 8) / TYPE))):
                offset, middle = 8 + TYPE * step, down - TYPE / 2
                labels.append(Label(at=along(offset, down), text=text, role="ink", size=TYPE, angle=angle))
                covered.append(slanted_boxes(along(offset, middle), along(offset + width, middle), TYPE / 2))
    free = [place for place, boxes in enumerate(covered) if placement.is_free(boxes)]
    clear = (place for place in free if placement.is_clear(covered[place]))
    place = next(clear, free[0] if free else -1)
    placement.block(covered[place])
    placement.avoid(slanted_boxes(start, end, 3))
    drawing.labels.append(labels[place])
