"""Recognition of pictures with a trained network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.network.checkpoint import TrainedRun
from workbench.network.executor import EXECUTORS
from workbench.pictures.images import like_mnist, read_image, resize, to_channels


def predict_images(run: TrainedRun, paths: Sequence[Path], *, raw: bool = False) -> NDArray[np.float32]:
    """Return the probability of every class for every picture, (pictures, classes); each row sums to one.

    Parameters
    ----------
    run : the trained network
    paths : PNG or JPEG files
    raw : only resize, even for a network trained on MNIST

    Raises
    ------
    InputError
        A file is not a picture, or contains no digit.
    """
    channels = run.config["channels"]
    height, width = run.config["image_size"]
    images = []
    for path in paths:
        if run.config["preparation"] == "mnist" and not raw:
            image = to_channels(like_mnist(read_image(path), str(path)), channels)
        else:
            image = read_image(path, channels)
        images.append(resize(image, (height, width)))
    executor = EXECUTORS[run.record["executor"]](run.network, run.parameters, "cpu")
    return executor.probabilities(np.stack(images))
