"""A drawing as plain primitives in pixels, and its conversion to SVG; y points downwards."""

from dataclasses import dataclass, field
from math import cos, pi, sin

from workbench.report.markup import Markup, element
from workbench.report.theme import SERIES, variables

CHARACTER = 0.6
"""Average width of a sans-serif character, in font sizes; a generous estimate."""

TYPE = 12.0
"""Font size except for titles, in pixels."""

RADIUS = 5.0
"""Radius of a mark."""


def _polygon(corners: int, start: float, radius: float = 1.0) -> tuple[tuple[float, float], ...]:
    angles = [start + 2 * pi * corner / corners for corner in range(corners)]
    return tuple((radius * cos(angle), radius * sin(angle)) for angle in angles)


def _star(points: int, inner: float) -> tuple[tuple[float, float], ...]:
    outside, inside = _polygon(points, -pi / 2, 1.25), _polygon(points, -pi / 2 + pi / points, inner)
    return tuple(corner for pair in zip(outside, inside, strict=True) for corner in pair)


_CROSS = ((-0.35, -1), (0.35, -1), (0.35, -0.35), (1, -0.35), (1, 0.35), (0.35, 0.35))

SHAPES: tuple[tuple[tuple[float, float], ...], ...] = (
    _polygon(32, 0),
    _polygon(4, pi / 4, 1.2),
    _polygon(3, -pi / 2, 1.25),
    _polygon(4, 0, 1.25),
    _polygon(3, pi / 2, 1.25),
    _CROSS + tuple((-x, -y) for x, y in _CROSS),
    _star(5, 0.5),
    _polygon(6, 0, 1.1),
)
"""Outlines of marks with a radius of 1, one per series, so that series differ not only in colour."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A straight line, solid or dashed; ``role`` is the name of a colour in the theme."""

    start: tuple[float, float]
    end: tuple[float, float]
    role: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text positioned by its baseline, rotated clockwise by ``angle`` degrees around ``at``."""

    at: tuple[float, float]
    text: str
    role: str
    size: float
    anchor: str = "start"
    angle: float = 0.0
    bold: bool = False


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark of a series: filled or hollow, with or without a ring, and the tooltip that describes it."""

    at: tuple[float, float]
    series: int
    hollow: bool = False
    ringed: bool = False
    words: str = ""

    def outline(self) -> list[tuple[float, float]]:
        """Return the corners of the outline."""
        (x, y), round_ = self.at, self.series // SERIES  # when the colours are used up, combine them with other shapes
        shape = SHAPES[(self.series + round_) % len(SHAPES)]
        return [(x + RADIUS * across, y + RADIUS * down) for across, down in shape]

    @property
    def role(self) -> str:
        """The name of its colour in the theme."""
        return f"series{self.series % SERIES}"


@dataclass(kw_only=True)
class Drawing:
    """Primitives on a canvas of ``width`` x ``height`` pixels; lines are painted first and text last."""

    width: float
    height: float
    words: str
    lines: list[Line] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


def text_width(text: str, size: float) -> float:
    """Estimate the width of a line of text in pixels."""
    return len(text) * size * CHARACTER


def to_svg(drawing: Drawing, *, alone: bool = False) -> Markup:
    """Return a drawing as an SVG element. Its colours are CSS variables, so that it follows the theme of the page.

    Parameters
    ----------
    alone : for a separate file, which then includes the variables and a background
    """
    attributes: dict[str, str | float] = {"viewBox": f"0 0 {drawing.width:g} {drawing.height:g}", "role": "img"}
    style, back = None, None
    if alone:
        attributes |= {"xmlns": "http://www.w3.org/2000/svg", "width": drawing.width, "height": drawing.height}
        style = element("style", Markup(variables()))
        back = element("rect", width="100%", height="100%", fill="var(--paper)")
    parts = [
        *(_line(line) for line in drawing.lines),
        *(_mark(mark) for mark in drawing.marks),
        *(_label(label) for label in drawing.labels),
    ]
    title = element("title", drawing.words)
    return element("svg", title, style, back, *parts, font_family="system-ui, sans-serif", **attributes)


def _line(line: Line) -> Markup:
    (x1, y1), (x2, y2) = line.start, line.end
    dashes = "6 4" if line.dashed else None
    stroke = f"var(--{line.role})"
    return element(
        "line",
        x1=_rounded(x1),
        y1=_rounded(y1),
        x2=_rounded(x2),
        y2=_rounded(y2),
        stroke=stroke,
        stroke_width=line.width,
        stroke_dasharray=dashes,
    )


def _mark(mark: Mark) -> Markup:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in mark.outline()) + "Z"
    colour = f"var(--{mark.role})"
    fill, stroke = ("var(--paper)", colour) if mark.hollow else (colour, "var(--paper)")
    x, y = mark.at
    ring = None
    if mark.ringed:
        ring = element(
            "circle", cx=_rounded(x), cy=_rounded(y), r=RADIUS * 1.9, fill="none", stroke=colour, stroke_width=1
        )
    shape = element("path", d=path, fill=fill, stroke=stroke, stroke_width=1.6 if mark.hollow else 1)
    return element("g", element("title", mark.words) if mark.words else None, ring, shape)


def _label(label: Label) -> Markup:
    x, y = (_rounded(value) for value in label.at)
    turn = f"rotate({label.angle:.1f} {x:g} {y:g})" if label.angle else None
    return element(
        "text",
        label.text,
        x=x,
        y=y,
        fill=f"var(--{label.role})",
        font_size=label.size,
        text_anchor=None if label.anchor == "start" else label.anchor,
        font_weight="600" if label.bold else None,
        transform=turn,
        stroke="var(--paper)",
        stroke_width=3,
        stroke_linejoin="round",
        paint_order="stroke",
    )


def _rounded(value: float) -> float:
    return round(value, 1)
