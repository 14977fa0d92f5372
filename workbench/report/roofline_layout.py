"""The roofline as a drawing: the machine's limits by flops per byte, and the kernels below them.

S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52(4), 2009; one roof per level of memory after A. Ilic, F. Pratas, L. Sousa, "Cache-aware roofline
model", IEEE Computer Architecture Letters 13(1), 2014.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.report.drawing import TYPE, Drawing, Label, Line, Mark, text_width
from workbench.report.label_placement import Box, Placement
from workbench.report.roofs import draw_roofs, limits
from workbench.report.scale import Scale
from workbench.system.numbers import plural, significant

TITLE = 16.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 14.0, 46.0
"""The space around the plot; axis labels are left and below."""
LEGEND_LINE = 22.0
LONGEST = 28
"""Maximum characters of a name in the plot; tooltips have the full name."""
PIXELS_PER_LABEL = 12_000
"""Square pixels of the plot per name beside a point; more names would be unreadable."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A kernel on the roofline.

    Attributes
    ----------
    name : the label beside it
    op : its operation; those that end in ``_backward`` share the colour of their forward pass
    flops_per_byte : arithmetic operations per byte of minimum memory traffic
    gflops : the rate reached, in 1e9 operations per second
    dtype : "float32" or "float64"
    implementation : for the tooltip; of points with the same name and operation, the fastest is labelled
    """

    name: str
    op: str
    flops_per_byte: float
    gflops: float
    dtype: str
    implementation: str = ""


def points_of(rows: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Return the points of those rows of a document that are verified and have a place on the roofline."""
    return [
        Point(
            name=row["case"],
            op=row["op"],
            flops_per_byte=row["flops_per_byte"],
            gflops=row["gflops"],
            dtype=row["dtype"],
            implementation=row["implementation"],
        )
        for row in rows
        if row.get("verified") and row.get("flops_per_byte") and row.get("gflops")
    ]


def lay_out(peaks: dict[str, Any], points: Sequence[Point], *, width: float, height: float, title: str) -> Drawing:
    """Draw the roofs of a device and the points below them.

    Parameters
    ----------
    peaks : the limits of one device: ``gflops`` by dtype, ``gbps`` by level of memory
    width, height : of the plot with its axes, in pixels; the title and the legend are added to it
    title : text above the plot; empty for none
    """
    points = [point for point in points if point.flops_per_byte > 0 and point.gflops > 0]
    top = TOP + (TITLE + 14 if title else 0)
    words = title or f"Roofline: {plural(len(points), 'kernel')} under the measured limits"
    drawing = Drawing(width=width, height=top - TOP + height, words=words)
    if title:
        drawing.labels.append(Label(at=(LEFT, TOP + TITLE - 2), text=title, role="ink", size=TITLE, bold=True))
    x, y = _scales(peaks, points, width, top, height)
    _axes(drawing, x, y)
    placement = Placement(Box(x.start, y.end, x.end, y.start))
    series = _series(points)
    marks = [_mark(point, x, y, series, ringed=_mixed(points)) for point in points]
    placement.block(Box.around(mark.at, 6) for mark in marks)
    draw_roofs(drawing, peaks, x, y, placement, {point.dtype for point in points})
    drawing.marks += marks
    drawing.labels += _names(points, marks, placement)
    _legend(drawing, points, series)
    return drawing


def _scales(
    peaks: dict[str, Any], points: Sequence[Point], width: float, top: float, height: float
) -> tuple[Scale, Scale]:
    """Return axes that contain the points and the ridges, at which the limit changes from memory to arithmetic."""
    gflops, gbps = list(limits(peaks, "gflops").values()), list(limits(peaks, "gbps").values())
    roof = max([*gflops, *(point.gflops for point in points)], default=1.0)
    ridges = [max(gflops, default=roof) / bandwidth for bandwidth in gbps]
    across = [point.flops_per_byte for point in points]
    left = min([value / 2 for value in across] + [ridge / 6 for ridge in ridges], default=0.1)
    right = max([value * 2 for value in across] + [ridge * 5 for ridge in ridges], default=100.0)
    low = min(
        [point.gflops / 2 for point in points] + [left * bandwidth * 1.5 for bandwidth in gbps], default=roof / 100
    )
    return (
        Scale(low=left, high=right, start=LEFT, end=width - RIGHT),
        Scale(low=low, high=roof * 2, start=top + height - BOTTOM - TOP, end=top),
    )


def _axes(drawing: Drawing, x: Scale, y: Scale) -> None:
    """Draw the grid, the numbers along it and the axis titles."""
    for value in x.ticks():
        at = x(value)
        drawing.lines.append(Line(start=(at, y.start), end=(at, y.end), role="hairline"))
        drawing.labels.append(
            Label(at=(at, y.start + 17), text=f"{value:,g}", role="muted", size=TYPE, anchor="middle")
        )
    for value in y.ticks():
        at = y(value)
        drawing.lines.append(Line(start=(x.start, at), end=(x.end, at), role="hairline"))
        drawing.labels.append(
            Label(at=(x.start - 7, at + 4), text=f"{value:,g}", role="muted", size=TYPE, anchor="end")
        )
    drawing.lines.append(Line(start=(x.start, y.start), end=(x.end, y.start), role="muted"))
    middle = ((x.start + x.end) / 2, (y.start + y.end) / 2)
    below, left = (middle[0], y.start + 37), (14.0, middle[1])
    drawing.labels.append(Label(at=below, text="flops per byte", role="muted", size=TYPE, anchor="middle"))
    drawing.labels.append(Label(at=left, text="GFLOP/s", role="muted", size=TYPE, anchor="middle", angle=-90))


def _names(points: Sequence[Point], marks: Sequence[Mark], placement: Placement) -> list[Label]:
    """Label points while there is room: each name once per operation, at its fastest point, alternating operations."""
    best: dict[tuple[str, str], int] = {}
    for index, point in enumerate(points):
        key = (point.op, point.name)
        if key not in best or point.gflops > points[best[key]].gflops:
            best[key] = index
    turns: dict[str, int] = {}
    order = []
    for index in sorted(best.values(), key=lambda index: -points[index].gflops):
        turns[points[index].op] = turns.get(points[index].op, 0) + 1
        order.append((turns[points[index].op], index))
    room = max(3, int(placement.frame.area / PIXELS_PER_LABEL))
    labels: list[Label] = []
    for _, index in sorted(order):
        label = placement.beside(marks[index].at, _short(points[index].name), TYPE - 1)
        if label is not None and len(labels) < room:
            labels.append(label)
            placement.block([placement.box(label)])
    return labels


def _mark(point: Point, x: Scale, y: Scale, series: dict[str, int], *, ringed: bool) -> Mark:
    reached = f"{significant(point.flops_per_byte)} flops per byte, {significant(point.gflops)} GFLOP/s"
    return Mark(
        at=(x(point.flops_per_byte), y(point.gflops)),
        series=series[_family(point.op)],
        hollow=_is_backward(point.op),
        ringed=ringed and point.dtype == "float64",
        words=", ".join(filter(None, (point.op, point.name, point.implementation, point.dtype))) + f": {reached}",
    )


def _legend(drawing: Drawing, points: Sequence[Point], series: dict[str, int]) -> None:
    """Draw the legend of operations, hollow and ringed marks below the plot, and extend the drawing by its lines."""
    entries: list[tuple[str, list[bool]]] = []
    for family in series:
        ways = sorted({_is_backward(point.op) for point in points if _family(point.op) == family})
        entries.append((_short(family), ways))
    x, y = LEFT, drawing.height + 6
    numbers = list(series.values())
    if any(_is_backward(point.op) for point in points):
        entries.append(("hollow: backward", []))
    if _mixed(points):
        entries.append(("ringed: float64", []))
    for number, (text, hollows) in zip([*numbers, 0, 0], entries, strict=False):
        width = 16 * len(hollows) + text_width(text, TYPE) + 12
        if x > LEFT and x + width > drawing.width - RIGHT:
            x, y = LEFT, y + LEGEND_LINE
        for hollow in hollows:
            drawing.marks.append(Mark(at=(x + 6, y), series=number, hollow=hollow))
            x += 16
        drawing.labels.append(Label(at=(x, y + 4), text=text, role="ink" if hollows else "muted", size=TYPE))
        x += width - 16 * len(hollows)
    drawing.height = y + (LEGEND_LINE if entries else 0)


def _short(name: str) -> str:
    """Cut a name so that it fits on a narrow drawing."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _series(points: Iterable[Point]) -> dict[str, int]:
    return {family: number for number, family in enumerate(dict.fromkeys(_family(point.op) for point in points))}


def _family(op: str) -> str:
    return op.removesuffix("_backward")


def _is_backward(op: str) -> bool:
    return op.endswith("_backward")


def _mixed(points: Iterable[Point]) -> bool:
    return len({point.dtype for point in points}) > 1
