"""The split of data without a test part."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.system.errors import InputError


def stratified_split(
    labels: NDArray[np.integer], classes: Sequence[str], name: str, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Select a fifth of every class for testing: at least one image, but never all.

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

    Returns
    -------
    train, test
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
                f"{name}: class {classes[labels[members[0]]]} has a single image, which cannot be both trained and "
                "tested on; add images, or provide a test part"
            )
        held[random.permutation(members)[: max(1, round(len(members) / 5))]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
