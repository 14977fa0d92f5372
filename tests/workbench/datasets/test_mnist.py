"""The embedded MNIST."""

import gzip
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workbench.datasets.loading import assert_sound, refusal
from workbench.datasets import Dataset, idx, load, mnist


def test_mnist():
    data = load("mnist")
    assert_sound(data)
    assert data.name == "mnist"
    assert data.classes == tuple("0123456789")
    assert (data.channels, data.image_size) == (1, (28, 28))
    assert data.train_images.shape == (60_000, 1, 28, 28)
    assert data.test_images.shape == (10_000, 1, 28, 28)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert data.train_images.base is not None  # a view of the file's bytes, not a copy


def test_mnist_resized_to_rgb(monkeypatch):
    whole = mnist.load()
    few = Dataset(
        name="mnist",
        train_images=whole.train_images[:300],
        train_labels=whole.train_labels[:300],
        test_images=whole.test_images[:10],
        test_labels=whole.test_labels[:10],
        classes=whole.classes,
    )
    monkeypatch.setattr(mnist, "load", lambda: few)
    assert load("mnist", image_size=(28, 28)) is few
    data = load("mnist", image_size=(32, 20), channels=3)
    assert_sound(data)
    assert data.train_images.shape == (300, 3, 32, 20)
    np.testing.assert_array_equal(data.train_images[:, 0], data.train_images[:, 2])
    picture = Image.fromarray(whole.train_images[299, 0].astype(np.float32))
    expected = np.asarray(picture.resize((20, 32), Image.Resampling.LANCZOS)).clip(0, 255)
    np.testing.assert_allclose(data.train_images[299, 1], expected, atol=0.501)


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_corrupted_mnist_is_caught_by_its_checksum(monkeypatch, file):
    def open_corrupted(packed, original=mnist._open):
        content = original(packed)
        if packed != f"{file}.gz":
            return content
        unpacked = bytearray(gzip.decompress(content))
        unpacked[-1] ^= 1
        return gzip.compress(unpacked, 1)

    monkeypatch.setattr(mnist, "_open", open_corrupted)
    message = refusal("mnist")
    assert message.startswith(f"{file}.gz: ")
    assert "SHA-256" in message


def test_missing_mnist_file(monkeypatch):
    monkeypatch.setattr(mnist, "_open", lambda packed: Path("none", packed).read_bytes())
    assert "train-images-idx3-ubyte.gz: missing from the package" in refusal("mnist")


def test_mnist_checksums_are_those_of_the_readme():
    readme = (Path(mnist.__file__).parent / "mnist" / "README.md").read_text()
    for file, checksum in mnist._SHA256.items():
        assert f"| {file} | {checksum} |" in readme
    labels = idx.unpack(mnist._open("t10k-labels-idx1-ubyte.gz"), "")
    assert sha256(labels).hexdigest() == mnist._SHA256["t10k-labels-idx1-ubyte"]
