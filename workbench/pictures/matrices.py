"""Matrices of numbers as text."""

import math
from typing import Any

from numpy.typing import NDArray

EXACT = 2**24
"""Up to this number float32 represents every integer."""

CHANNEL_TITLES = {1: ("",), 3: (", red", ", green", ", blue")}


def planes_text(title: str, planes: NDArray[Any]) -> list[str]:
    """Return each channel of (C, H, W) as text under its title."""
    _, height, width = planes.shape
    return [
        block(f"{title} {height}x{width}{name}", aligned(plane))
        for name, plane in zip(CHANNEL_TITLES[len(planes)], planes, strict=True)
    ]


def block(title: str, rows: list[list[str]], factor: str = "") -> str:
    """Return a matrix as text under its title, with the factor before its middle row."""
    width = max(len(cell) for row in rows for cell in row)
    lines = [" ".join(f"{cell:>{width}}" for cell in row).rstrip() for row in rows]
    middle = (len(rows) - 1) // 2
    before = [factor if number == middle else " " * len(factor) for number in range(len(rows))]
    return "\n".join([title, *(f"  {left}{line}" for left, line in zip(before, lines, strict=True))])


def aligned(plane: NDArray[Any]) -> list[list[str]]:
    """Return numbers as text with at least three digits, integers without decimals, aligned at the decimal point."""
    largest = float(abs(plane).max())
    if largest > EXACT:  # adding zero makes that of a negative zero positive
        return [[f"{value + 0.0:.6g}" for value in row] for row in plane.tolist()]
    decimals = 2 if largest >= 1 or largest == 0 else 2 - math.floor(math.log10(largest))
    cells = [[_without_zeros(f"{value:.{decimals}f}") for value in row] for row in plane.tolist()]
    tail = max(_tail(cell) for row in cells for cell in row)
    return [[cell + " " * (tail - _tail(cell)) for cell in row] for row in cells]


def _without_zeros(number: str) -> str:
    short = number.rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _tail(number: str) -> int:
    """Count the characters from the decimal point on."""
    return len(number) - len(number.partition(".")[0])
