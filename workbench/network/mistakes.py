"""The images of a data set that a trained network takes for something else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.network.checkpoint import TrainedRun
from workbench.network.evaluate import data_of, executor_of, part_of
from workbench.network.executor import EVALUATION_BATCH


@dataclass(frozen=True, kw_only=True, eq=False)
class Mistake:
    """An image (C, H, W) by its index in the data; its class, what the network took it for, and how probable that was."""

    index: int
    image: NDArray[np.uint8 | np.float32]
    label: int
    predicted: int
    probability: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Mistakes:
    """All mistakes on one part of a data set, the most confident first; ``notes`` are the data's."""

    data: str
    split: str
    samples: int
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]


def find_mistakes(run: TrainedRun, data: str | None, split: str) -> Mistakes:
    """Run the "test" or "train" images of a data set (None: the one that the network was trained on).

    Raises
    ------
    InputError
        The data cannot be loaded or have other classes.
    """
    dataset, executor = data_of(run, data), executor_of(run)
    images, labels = part_of(dataset, split)
    found: list[Mistake] = []
    for first in range(0, len(labels), EVALUATION_BATCH):
        probabilities = executor.probabilities(images[first : first + EVALUATION_BATCH])
        predicted = probabilities.argmax(axis=1)
        for place in np.flatnonzero(predicted != labels[first : first + EVALUATION_BATCH]).tolist():
            found.append(
                Mistake(
                    index=first + place,
                    image=images[first + place],
                    label=int(labels[first + place]),
                    predicted=int(predicted[place]),
                    probability=float(probabilities[place].max()),
                )
            )
    found.sort(key=lambda mistake: -mistake.probability)
    return Mistakes(
        data=data or run.config["data"],
        split=split,
        samples=len(labels),
        mistakes=tuple(found),
        notes=dataset.notes,
    )
