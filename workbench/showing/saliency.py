"""Which pixels matter for a class: the gradient of its score over the picture.

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks" (2014), section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.network.activations import Activations
from workbench.pictures.sheet import Sheet
from workbench.pictures.style import GRADIENTS, HEADING, MUTED, SMALL, Pixels, in_figures
from workbench.showing.parts import INSIDE, MARGIN, as_pixels, factor, head, legend
from workbench.showing.views import reduced, reduction

SHADOW = 0.55
"""How dark a shadow is, of 1."""

PANELS, BETWEEN = 3, 40
SIDE = (INSIDE - (PANELS - 1) * BETWEEN) // PANELS


def saliency(seen: Activations, target: int) -> NDArray[np.floating]:
    """Return the gradient of the score of a class with respect to every pixel, (H, W): of colours, the largest by size."""
    gradient = seen.gradients(target)[0]
    strongest = np.abs(gradient).argmax(axis=0, keepdims=True)
    found: NDArray[np.floating] = np.take_along_axis(gradient, strongest, axis=0)[0]
    return found


def draw_saliency(seen: Activations, target: int, name: str, title: str) -> Sheet:
    """Draw the picture, the gradient of the score of a class, and one over the other."""
    image, gradient = seen.values[0], saliency(seen, target)
    largest = float(np.abs(gradient).max())
    notes = [
        f"A little more light in a pixel raises the score of {name} where it is orange and lowers it where it is violet; "
        f"where it is white the pixel does not matter. The strongest colour is {in_figures(largest)} per unit of light.",
    ]
    if len(image) > 1:
        notes.append("Of red, green and blue, the one that matters most counts.")
    by = reduction(image, SIDE)
    if by > 1:
        notes.append(f"A pixel of the drawing is the mean of {by}x{by}.")
    sheet, y = head(title, notes)
    y = legend(sheet, y, GRADIENTS, ("lowers the score", "0", "raises it")) + 10
    picture, colours = as_pixels(reduced(image, by)), GRADIENTS.colours(reduced(gradient, by), largest)
    over = np.rint(colours * _shadow(picture)).astype(np.uint8)
    scale = factor(picture, SIDE)
    panels = (
        (picture, "the picture", "as the network sees it"),
        (colours, "the gradient", f"of the score of {name}"),
        (over, "both", "the gradient, with the picture as a shadow"),
    )
    for index, (pixels, heading, detail) in enumerate(panels):
        x = MARGIN + index * (SIDE + BETWEEN)
        sheet.write(x, y + HEADING, heading, size=HEADING, bold=True)
        sheet.write(x, y + HEADING + 30, detail, size=SMALL, colour=MUTED, width=SIDE)
        sheet.paste(x, y + HEADING + 50, pixels, scale, framed=True)
    sheet.height += MARGIN
    return sheet


def _shadow(picture: Pixels) -> NDArray[np.floating]:
    """Return how light the paper is with the shadow of a picture, (H, W, 1): most of it is, so that colours are seen."""
    light = picture.mean(axis=-1, keepdims=True) / 255
    found: NDArray[np.floating] = 1 - SHADOW * (light if np.median(light) < 0.25 else 1 - light)
    return found
