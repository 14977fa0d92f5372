"""Data sets by name that are fetched: Fashion-MNIST and CIFAR-10.

The digests and sizes are those that TensorFlow Datasets publishes (``tensorflow_datasets/url_checksums``: fashion_mnist.txt,
cifar10.txt). Of CIFAR-10 it is the binary version, which is read without unpickling.
"""

import dataclasses
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.datasets import idx
from workbench.datasets.dataset import Dataset, Part, from_numbered
from workbench.datasets.fetching import RemoteFile, fetch
from workbench.system.errors import InputError

_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"

FILES = {
    "fashion-mnist": (
        RemoteFile(
            name="train-images-idx3-ubyte.gz",
            base=_FASHION,
            sha256="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            size=26421880,
        ),
        RemoteFile(
            name="train-labels-idx1-ubyte.gz",
            base=_FASHION,
            sha256="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            size=29515,
        ),
        RemoteFile(
            name="t10k-images-idx3-ubyte.gz",
            base=_FASHION,
            sha256="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            size=4422102,
        ),
        RemoteFile(
            name="t10k-labels-idx1-ubyte.gz",
            base=_FASHION,
            sha256="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            size=5148,
        ),
    ),
    "cifar10": (
        RemoteFile(
            name="cifar-10-binary.tar.gz",
            base="https://www.cs.toronto.edu/~kriz",
            sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            size=170052171,
        ),
    ),
}
"""The files of every data set that is fetched."""

FASHION_CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_BATCHES = "cifar-10-batches-bin"
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
"""The bytes of an image of CIFAR-10: its label, then its red, green and blue pixels."""

MOST_RECORDS = 10_000
"""The most images of a file of CIFAR-10."""


def load(name: str, channels: int) -> Dataset:
    """Load a data set of FILES, fetching what is missing; ``channels`` are those that it will be converted to.

    Raises
    ------
    InputError
        A file cannot be fetched, or is damaged.
    """
    return _LOADERS[name](fetch(name, FILES[name]), channels)


def _fashion_mnist(folder: Path, _channels: int) -> Dataset:
    return dataclasses.replace(idx.load(folder), classes=FASHION_CLASSES)


def _cifar10(folder: Path, channels: int) -> Dataset:
    path = folder / FILES["cifar10"][0].name
    wanted = [f"{_BATCHES}/{name}.bin" for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")]
    try:
        with tarfile.open(path, "r:gz") as archive:
            records = {member.name: _records(path, archive, member) for member in archive if member.name in wanted}
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: damaged, cannot be unpacked; remove it, and it is fetched again") from error
    if lacking := [name for name in wanted if name not in records]:
        raise InputError(f"{path}: damaged, without {lacking[0]}; remove it, and it is fetched again")
    note = "cifar10: its pictures are in colour and are read in grey; --channels rgb keeps the colours"
    read = from_numbered(
        "cifar10",
        _part(path, np.concatenate([records[name] for name in wanted[:-1]])),
        _part(path, records[wanted[-1]]),
        notes=(note,) if channels == 1 else (),
    )
    return dataclasses.replace(read, classes=CIFAR10_CLASSES)


def _records(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> NDArray[np.uint8]:
    """Return the bytes of a file of CIFAR-10, (N, 1 + 3 * 32 * 32)."""
    stream = archive.extractfile(member)
    if stream is None or member.size % _RECORD or not 0 < member.size <= MOST_RECORDS * _RECORD:
        raise InputError(
            f"{path}: damaged, {member.name} has {member.size:,} bytes; remove it, and it is fetched again"
        )
    return np.frombuffer(stream.read(), np.uint8).reshape(-1, _RECORD)


def _part(path: Path, records: NDArray[np.uint8]) -> Part:
    images = np.ascontiguousarray(records[:, 1:]).reshape(-1, *_SHAPE)
    return Part(images=images, labels=records[:, 0], images_name=str(path), labels_name=f"{path}: labels")


_LOADERS: dict[str, Callable[[Path, int], Dataset]] = {"fashion-mnist": _fashion_mnist, "cifar10": _cifar10}
