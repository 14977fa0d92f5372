"""The text of ``--augment``: how strongly training images are augmented."""

from math import isfinite, prod

from kernels.augment.strengths import Strengths
from workbench.system.errors import InputError, nearest, shortened

DEFAULT = "default"

DEFAULT_TEXT = "shift=2,rotate=10,scale=0.1,elastic=1"
"""For digits of 28x28 pixels, of which no one should doubt after it what they are."""

LIMITS = {"shift": 1024.0, "rotate": 180.0, "scale": 0.9, "elastic": 64.0, "flip": 1.0}
"""The largest strengths."""

MOST_PIXELS = 2**24
"""The most pixels of an image: places are computed in float32."""


def strengths_of(text: str) -> Strengths:
    """Parse strengths, such as ``shift=2,rotate=10,flip``, or ``default``; ``flip`` alone is half of the images.

    Raises
    ------
    InputError
        A name is unknown or given twice, or a number is none or out of range.
    """
    found: dict[str, float] = {}
    for part in (DEFAULT_TEXT if text == DEFAULT else text).split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if name not in LIMITS:
            raise nearest("--augment", shortened(name), tuple(LIMITS))
        if name in found:
            raise InputError(f"--augment: {name} is given twice")
        if name == "flip" and not equals:
            value = "0.5"
        try:
            found[name] = float(value)
        except ValueError:
            raise InputError(f"--augment {shortened(part.strip())}: not a number; write {name}=NUMBER") from None
        if not (isfinite(found[name]) and 0 <= found[name] <= LIMITS[name]):
            raise InputError(f"--augment {shortened(part.strip())}: must be from 0 to {LIMITS[name]:g}")
    return Strengths(**found)


def check_size(shape: tuple[int, ...]) -> None:
    """Raise InputError if images (C, H, W) are too large to be augmented."""
    if prod(shape[1:]) > MOST_PIXELS:
        raise InputError(
            f"--augment: images of {shape[1]}x{shape[2]}; at most {MOST_PIXELS:,} pixels can be augmented; use a smaller "
            "--image-size"
        )
