"""The MNIST files included in the package (see mnist/README.md for their origin and licence)."""

from hashlib import sha256
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from workbench.datasets import idx
from workbench.datasets.dataset import Dataset, Part, from_numbered
from workbench.system.errors import InputError

_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load() -> Dataset:
    """Load MNIST: 60,000 training images and 10,000 test images, (N, 1, 28, 28) uint8, white on black.

    Raises
    ------
    InputError
        A file is missing, or its bytes differ from the original.
    """
    return from_numbered("mnist", _load_part("train"), _load_part("t10k"))


def _load_part(part: str) -> Part:
    images_name, labels_name = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    images, labels = _read(images_name, 3), _read(labels_name, 1)
    return Part(images=images[:, np.newaxis], labels=labels, images_name=images_name, labels_name=labels_name)


def _read(name: str, axes: int) -> NDArray[np.uint8]:
    packed = f"{name}.gz"
    try:
        content = idx.unpack(_open(packed), packed)
    except FileNotFoundError as error:
        raise InputError(f"{packed}: missing from the package; install it again") from error
    if sha256(content).hexdigest() != _SHA256[name]:
        raise InputError(f"{packed}: the package's copy is not the original (its SHA-256 differs); install it again")
    return idx.parse(content, packed, axes)


def _open(packed: str) -> bytes:
    return files("workbench.datasets").joinpath("mnist", packed).read_bytes()
