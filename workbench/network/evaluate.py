"""Evaluation of a trained network, class by class."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.datasets import Dataset, load
from workbench.datasets.dataset import Images
from workbench.network.checkpoint import TrainedRun
from workbench.network.executor import EXECUTORS, Executor, check_memory, running_on
from workbench.network.loop import evaluate
from workbench.system.errors import InputError

MOST_LISTED = 12
"""The most classes that an error message lists."""


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """One class: its images, and recall, precision and F1 (0..1; 0 for a division by zero)."""

    name: str
    images: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """An evaluation; ``confusion`` has a row per true class and a column per predicted class; ``notes`` are the data's."""

    data: str
    split: str
    samples: int
    correct: int
    accuracy: float
    loss: float
    classes: tuple[ClassScore, ...]
    confusion: list[list[int]]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)


def evaluate_run(run: TrainedRun, data: str | None, split: str, device: str = "cpu") -> Report:
    """Evaluate a run on the "test" or "train" images of a data set (None: the one that it was trained on), on a device.

    Raises
    ------
    InputError
        The data cannot be loaded or have other classes.
    """
    dataset = data_of(run, data)
    images, labels = part_of(dataset, split)
    result = evaluate(executor_of(run, device), images, labels)
    size = len(run.classes)
    confusion = np.bincount(labels * size + result.predictions, minlength=size * size).reshape(size, size)
    return Report(
        data=data or run.config["data"],
        split=split,
        samples=len(labels),
        correct=int(np.trace(confusion)),
        accuracy=result.accuracy,
        loss=result.loss,
        classes=tuple(_score(name, confusion, index) for index, name in enumerate(run.classes)),
        confusion=confusion.tolist(),
        notes=dataset.notes,
    )


def data_of(run: TrainedRun, source: str | None) -> Dataset:
    """Load a data set for a run, in its size and with its classes; None for the one that it was trained on.

    Raises
    ------
    InputError
        The data cannot be loaded or have other classes.
    """
    config = run.config
    source = source or config["data"]
    dataset = load(source, image_size=config["image_size"], channels=config["channels"], seed=config["seed"])
    if dataset.classes != run.classes:
        raise InputError(
            f"{source}: its classes are {_listed(dataset.classes)}, but {run.folder} was trained on "
            f"{_listed(run.classes)}"
        )
    return dataset


def part_of(dataset: Dataset, split: str) -> tuple[Images, NDArray[np.int64]]:
    """Return the images and labels of the "test" or the "train" part."""
    if split == "test":
        return dataset.test_images, dataset.test_labels
    return dataset.train_images, dataset.train_labels


def executor_of(run: TrainedRun, device: str = "cpu") -> Executor:
    """Return the executor that runs a trained network on a device: by whole networks, or by operations if it was trained so.

    Raises
    ------
    InputError
        The network does not fit into memory.
    DeviceUnavailable
        There is no such device.
    """
    name = running_on(device, run.record["executor"])
    check_memory(name, run.network)
    return EXECUTORS[name](run.network, run.parameters, device)


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:MOST_LISTED]) + (f", ... ({len(classes):,})" if len(classes) > MOST_LISTED else "")


def _score(name: str, confusion: np.ndarray[Any, np.dtype[np.int64]], index: int) -> ClassScore:
    right = int(confusion[index, index])
    images, predicted = int(confusion[index].sum()), int(confusion[:, index].sum())
    return ClassScore(
        name=name,
        images=images,
        recall=right / max(images, 1),
        precision=right / max(predicted, 1),
        f1=2 * right / max(images + predicted, 1),
    )
