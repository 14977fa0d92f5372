"""Placement of labels in a drawing: beside their mark, without covering anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.report.drawing import Label, text_width

Place = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """An upright rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, at: Place, radius: float) -> Box:
        """Return the square around a point."""
        return cls(at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)

    def overlaps(self, other: Box) -> bool:
        """Return whether the two boxes share more than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def inside(self, other: Box) -> bool:
        """Return whether this box is inside ``other``."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


def slanted_boxes(start: Place, end: Place, radius: float) -> list[Box]:
    """Cover a slanted line with squares along it."""
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    count = max(1, int(length / radius))
    shares = [step / count for step in range(count + 1)]
    return [
        Box.around((start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share), radius)
        for share in shares
    ]


@dataclass
class Placement:
    """The occupied parts of a frame: boxes that must stay free, and boxes that should stay free."""

    frame: Box
    _blocked: list[Box] = field(default_factory=list)
    _avoided: list[Box] = field(default_factory=list)

    def block(self, boxes: Iterable[Box]) -> None:
        """Add boxes that must not be covered."""
        self._blocked += boxes

    def avoid(self, boxes: Iterable[Box]) -> None:
        """Add boxes that labels cover only if there is no other place."""
        self._avoided += boxes

    def is_free(self, boxes: Iterable[Box]) -> bool:
        """Return whether boxes are inside the frame and cover nothing that is blocked."""
        return all(box.inside(self.frame) and not any(map(box.overlaps, self._blocked)) for box in boxes)

    def is_clear(self, boxes: Iterable[Box]) -> bool:
        """Return whether boxes cover nothing that should stay free."""
        return not any(box.overlaps(other) for box in boxes for other in self._avoided)

    def beside(self, at: Place, text: str, size: float) -> Label | None:
        """Return a label placed beside a mark; None if there is no room."""
        x, y = at
        places = [
            Label(at=(x + across, y + down), text=text, role="ink", size=size, anchor=anchor)
            for across, down, anchor in (
                (9, size * 0.35, "start"),
                (-9, size * 0.35, "end"),
                (0, -9, "middle"),
                (0, 9 + size * 0.8, "middle"),
                (7, -7, "start"),
                (7, 7 + size * 0.8, "start"),
                (-7, -7, "end"),
                (-7, 7 + size * 0.8, "end"),
            )
        ]
        free = [label for label in places if self.is_free([self.box(label)])]
        clear = [label for label in free if self.is_clear([self.box(label)])]
        return next(iter(clear or free), None)

    def box(self, label: Label) -> Box:
        """Return the box that an upright label covers."""
        width = text_width(label.text, label.size)
        left = label.at[0] - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
        return Box(left, label.at[1] - label.size * 0.8, left + width, label.at[1] + label.size * 0.25)
