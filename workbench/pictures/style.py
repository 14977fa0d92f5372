"""How pictures look: sizes of type, and one scale of colours for each meaning.

Text has a contrast of at least 4.5 to 1 with the paper, lines of at least 3 to 1. Every scale keeps its two sides apart for
the colour-blind: they run from blue or violet to yellow, orange or red, and differ in lightness from zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]

PAPER, INK, MUTED, FAINT, HAIRLINE = (255, 255, 255), (28, 32, 38), (96, 103, 115), (176, 182, 191), (217, 221, 227)
RIGHT, WRONG = (31, 95, 191), (176, 78, 0)
"""What the network takes a picture for, where this is marked, and where it is mistaken."""

TRAIN, VALIDATION, TEST, RATE = (213, 94, 0), (0, 158, 115), (0, 114, 178), MUTED
"""The curves of a training."""

SERIES = (
    (0, 114, 178),
    (213, 94, 0),
    (28, 32, 38),
    (204, 121, 167),
    (0, 158, 115),
    (135, 22, 244),
    (112, 40, 2),
    (74, 2, 95),
)
"""Things that are compared. The first five are of M. Okabe and K. Ito (Color Universal Design, 2008)."""

TITLE, HEADING, TEXT, SMALL = 42, 28, 26, 22
"""Font sizes, in pixels of a picture that is seen at half its size."""

NOT_FINITE: Colour = (200, 0, 120)


@dataclass(frozen=True, kw_only=True)
class ColourScale:
    """Colours for the values from -1 over 0 to 1, at equal distances."""

    stops: tuple[Colour, ...]

    def colours(self, values: NDArray[np.floating], largest: float) -> Pixels:
        """Return the colours of values, (..., 3): the last for ``largest`` and all above it, that in the middle for zero."""
        shares = np.asarray(values, np.float64) / (largest or 1)
        at = np.linspace(-1, 1, len(self.stops))
        parts = [np.interp(shares, at, [stop[part] for stop in self.stops]) for part in range(3)]
        found: Pixels = np.rint(np.nan_to_num(np.stack(parts, axis=-1))).astype(np.uint8)
        found[~np.isfinite(shares)] = NOT_FINITE
        return found


VALUES = ColourScale(
    stops=(
        (150, 205, 245),
        (72, 140, 198),
        (22, 88, 144),
        (8, 46, 82),
        (16, 18, 22),
        (88, 48, 4),
        (166, 96, 0),
        (234, 158, 24),
        (255, 238, 160),
    )
)
"""What a layer computes: zero is black, above it amber, below it blue."""

WEIGHTS = ColourScale(stops=((178, 24, 43), (239, 138, 98), (247, 247, 247), (103, 169, 207), (33, 102, 172)))
"""What a layer has learned: zero is white, above it blue, below it red."""

GRADIENTS = ColourScale(stops=((84, 39, 136), (153, 142, 195), (247, 247, 247), (241, 163, 64), (179, 88, 6)))
"""How a value moves the score: zero is white, upwards orange, downwards violet."""

COUNTS = ColourScale(stops=(*[PAPER] * 4, (198, 219, 239), (66, 146, 198), (8, 48, 107)))
"""How many: none is white, most is dark blue."""


def readable_on(background: Pixels | Colour) -> Colour:
    """Return the colour of text on a background: dark ink, or white on a dark one."""
    red, green, blue = (int(part) for part in background)
    return PAPER if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else INK


def in_figures(value: float, digits: int = 3) -> str:
    """Return a number with a few digits and a real minus."""
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")
