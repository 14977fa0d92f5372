"""Recognition of pictures with a trained network."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.network.checkpoint import TrainedRun
from workbench.network.evaluate import executor_of
from workbench.network.executor import EVALUATION_BATCH
from workbench.pictures.images import SUFFIXES, like_mnist, read_image, resize, to_channels
from workbench.pictures.listing import pictures_below
from workbench.system.errors import InputError
from workbench.system.files import is_folder

LIKELY, AHEAD = 0.6, 0.2
"""A result is in doubt if its probability is below the first, or ahead of the second class by less than the second."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The probabilities of the classes of a picture, (K,); None, and the fault, if the picture cannot be used."""

    path: Path
    probabilities: NDArray[np.float32] | None = None
    fault: str = ""


def best_two(probabilities: NDArray[np.float32]) -> tuple[int, int, bool]:
    """Return the two most probable classes, and whether the first is in doubt; with a single class they are the same."""
    ranked = np.argsort(-probabilities, kind="stable")
    best, second = int(ranked[0]), int(ranked[1 % len(ranked)])
    ahead = probabilities[best] - probabilities[second]
    return best, second, bool(probabilities[best] < LIKELY or (best != second and ahead < AHEAD))


def predict_pictures(
    run: TrainedRun, paths: Sequence[Path], *, raw: bool = False, device: str = "cpu"
) -> Iterator[Prediction]:
    """Yield a prediction for every picture, of a folder for every picture in it and in its sub-folders.

    Parameters
    ----------
    run : the trained network
    paths : files and folders
    raw : only resize, even for a network trained on MNIST
    device : where the network runs, "cpu" or "cuda"
    """
    executor = executor_of(run, device)
    listed = list(_listed(paths))
    for first in range(0, len(listed), EVALUATION_BATCH):
        read = [_read(run, each, raw) for each in listed[first : first + EVALUATION_BATCH]]
        images = [image for _, image in read if image is not None]
        found = iter(executor.probabilities(np.stack(images)) if images else ())
        for each, image in read:
            yield each if image is None else dataclasses.replace(each, probabilities=next(found))


def _listed(paths: Sequence[Path]) -> Iterator[Prediction]:
    """Yield a prediction without a result for every picture, or with its fault for what has none."""
    for path in paths:
        if not is_folder(path):
            yield Prediction(path=path)
            continue
        try:
            below = pictures_below(path)
        except OSError as error:
            yield Prediction(path=path, fault=f"{error.filename or path}: cannot be read ({error.strerror})")
            continue
        if not below:
            yield Prediction(path=path, fault=f"{path}: a folder without pictures ({', '.join(SUFFIXES)})")
        yield from (Prediction(path=each) for each in below)


def _read(run: TrainedRun, listed: Prediction, raw: bool) -> tuple[Prediction, NDArray[np.uint8] | None]:
    """Read a picture as the network takes it: (C, H, W); None, and the fault, if it cannot be used."""
    if listed.fault:
        return listed, None
    try:
        return listed, prepared(run, lambda channels: read_image(listed.path, channels), str(listed.path), raw=raw)
    except InputError as error:
        return dataclasses.replace(listed, fault=str(error)), None


def prepared(
    run: TrainedRun, read: Callable[[int | None], NDArray[np.uint8]], name: str, *, raw: bool = False
) -> NDArray[np.uint8]:
    """Return a picture as the network takes it, (C, H, W).

    Parameters
    ----------
    run : the trained network
    read : returns the picture in a number of channels, or in its own
    name : of the picture, for the error message
    raw : only resize, even for a network trained on MNIST

    Raises
    ------
    InputError
        The picture cannot be read, or the network was trained on MNIST and nothing stands out from the background.
    """
    channels = run.config["channels"]
    if run.config["preparation"] == "mnist" and not raw:
        image = to_channels(like_mnist(read(None), name), channels)
    else:
        image = read(channels)
    return resize(image, run.config["image_size"])
