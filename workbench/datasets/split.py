"""Splits of data by class: for a test part where there is none, and for validation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.system.errors import InputError

TEST_SHARE = 0.2


def stratified_split(
    labels: NDArray[np.integer],
    classes: Sequence[str],
    name: str,
    seed: int | Sequence[int],
    share: float = TEST_SHARE,
    purpose: str = "tested on; add images, or provide a test part",
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Hold out a share of every class: at least one image, but never all.

    Parameters
    ----------
    labels
        (N,) indices into ``classes``; N is at least 1.
    classes
        The names of the classes, for the error.
    name
        The name of the data in error messages.
    seed
        Seed of the selection: the same seed and labels give the same indices.
    share
        The share of every class, above 0 and below 1.
    purpose
        What is held out for, and what to do about a class with a single image, for the error.

    Returns
    -------
    kept, held
        Indices into ``labels``, ascending.

    Raises
    ------
    InputError
        A class has only one image.
    """
    random = np.random.default_rng(seed)
    by_class = np.argsort(labels, kind="stable")
    edges = np.flatnonzero(np.diff(labels[by_class])) + 1
    held = np.zeros(len(labels), dtype=bool)
    for members in np.split(by_class, edges):
        if len(members) == 1:
            raise InputError(
                f"{name}: class {classes[labels[members[0]]]} has a single image, which cannot be both trained and {purpose}"
            )
        count = min(max(1, round(len(members) * share)), len(members) - 1)
        held[random.permutation(members)[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
