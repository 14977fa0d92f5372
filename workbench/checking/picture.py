"""A one-line description of where the errors in an output are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

AXES = {
    4: ("sample", "channel", "row", "column"),
    3: ("sample", "channel", "position"),
    2: ("row", "column"),
    1: ("element",),
}


def picture(name: str, wrong: NDArray[np.bool_]) -> str:
    """Return how many elements of output ``name`` are wrong, and what they have in common.

    For each axis: only one place, only the border, only the end (a tail), or everywhere.
    """
    count, size = int(wrong.sum()), wrong.size
    if count == 0 or wrong.ndim == 0:
        return ""
    text = f"{count} of {size} elements of {name}"
    if count == size:
        return f"{text}: all of them"
    names = AXES.get(wrong.ndim, tuple(f"axis {axis}" for axis in range(wrong.ndim)))
    found = []
    for axis, title in enumerate(names):
        hit = np.asarray(wrong.any(axis=tuple(other for other in range(wrong.ndim) if other != axis)))
        words = _pattern(title, hit)
        if words:
            found.append(f"{words} {_strip(hit)}" if hit.size > 1 else words)
    if found:
        return f"{text}: {', '.join(found)}"
    return f"{text}: the border of the last two axes" if _is_ring(wrong) else f"{text}, scattered over every axis"


def _is_ring(wrong: NDArray[np.bool_]) -> bool:
    """Return whether the wrong elements are the border of the last two axes: most of it, and nothing inside."""
    if wrong.ndim < 2 or min(wrong.shape[-2:]) <= 2 or wrong[..., 1:-1, 1:-1].any():
        return False
    plane = np.asarray(wrong.any(axis=tuple(range(wrong.ndim - 2))))
    height, width = plane.shape
    return bool(plane.sum() > height + width - 2)


def _pattern(title: str, hit: NDArray[np.bool_]) -> str:
    """Return what the places with errors along one axis have in common; empty if all have errors."""
    places = np.flatnonzero(hit)
    size, count = hit.size, places.size
    if count == size:
        return ""
    if count == 1:
        place = int(places[0])
        end = ", the first" if place == 0 else ", the last" if place == size - 1 else ""
        return f"only {title} {place}{end}"
    if set(places.tolist()) == {0, size - 1}:
        return f"only the border {title}s"
    if places[-1] == size - 1 and count == size - places[0]:
        return f"only the last {count} {title}s, from {places[0]}"
    if places[0] == 0 and count == places[-1] + 1:
        return f"only the first {count} {title}s"
    steps = np.unique(np.diff(places))
    if steps.size == 1 and steps[0] > 1:
        return f"every {steps[0]}. {title}, from {places[0]}"
    return f"{count} of {size} {title}s"


def _strip(hit: NDArray[Any], width: int = 32) -> str:
    """Draw the places with errors along one axis as a strip of at most ``width`` characters."""
    parts = np.array_split(hit, min(width, hit.size))
    return "[" + "".join("#" if part.any() else "." for part in parts) + "]"
