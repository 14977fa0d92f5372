"""Draw docs/images/augmented.png: digits, each followed by augmented ones. Run ``python -m docs.draw_augmented``."""

from pathlib import Path

import numpy as np
from PIL import Image

from kernels.augment.batch import augment
from kernels.augment.strengths import warp_of
from workbench.datasets import load
from workbench.network.augmentation import DEFAULT, strengths_of

PICTURE = Path(__file__).parent / "images" / "augmented.png"

DIGITS, TIMES, ZOOM, GAP, APART = 8, 8, 3, 2, 8
"""Rows, columns, the size of a pixel, and the pixels between digits and after the first column."""

PAPER = 255


def main() -> None:
    """Draw the picture: in each row a digit as it is, then as it is drawn in ``TIMES - 1`` steps."""
    images = load("mnist").train_images[:DIGITS]
    warp = warp_of(strengths_of(DEFAULT), images.shape[1:])
    shown = [images[:, 0] / 255, *(augment(images, warp, seed)[:, 0] for seed in range(1, TIMES))]
    side = images.shape[2] + GAP
    sheet = np.full((DIGITS * side + GAP, TIMES * side + APART + GAP), PAPER, np.uint8)
    for column, digits in enumerate(shown):
        for row, digit in enumerate(digits):
            top, left = GAP + row * side, GAP + column * side + (APART if column else 0)
            sheet[top : top + side - GAP, left : left + side - GAP] = np.round(255 * (1 - digit))
    frame = np.repeat(np.repeat(sheet, ZOOM, axis=0), ZOOM, axis=1)
    Image.fromarray(frame).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
