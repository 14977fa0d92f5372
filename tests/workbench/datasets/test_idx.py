"""IDX files as data sets."""

import gzip
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damaged import corrupted
from tests.workbench.datasets.loading import assert_same, assert_sound, quick_fuzz, refusal
from workbench.datasets import idx, load
from workbench.system.errors import InputError

RANDOM = np.random.default_rng(0)


def to_idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IDX = {
    "train-images-idx3-ubyte": RANDOM.integers(0, 256, (6, 4, 3), dtype=np.uint8),
    "train-labels-idx1-ubyte": np.array([0, 2, 1, 2, 0, 1], dtype=np.uint8),
    "t10k-images-idx3-ubyte": RANDOM.integers(0, 256, (2, 4, 3), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": np.array([2, 0], dtype=np.uint8),
}


@pytest.fixture
def idx_folder(tmp_path):
    for name, array in IDX.items():
        (tmp_path / name).write_bytes(to_idx(array))
    return tmp_path


@given(
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    packed=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_idx_round_trip(shape, packed, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    content = to_idx(array)
    read = idx.parse(idx.unpack(gzip.compress(content) if packed else content, "file"), "file", array.ndim)
    np.testing.assert_array_equal(read, array)
    assert read.shape == tuple(shape)


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_folder(idx_folder, dotted, packed):
    for path in idx_folder.iterdir():
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
            path = path.rename(f"{path}.gz")
        if dotted:
            path.rename(path.with_name(path.name.replace("s-idx", "s.idx")))
    data = load(str(idx_folder))
    assert_sound(data)
    assert data.name == idx_folder.name
    assert data.classes == ("0", "1", "2")
    np.testing.assert_array_equal(data.train_images[:, 0], IDX["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(data.train_labels, IDX["train-labels-idx1-ubyte"])
    np.testing.assert_array_equal(data.test_images[:, 0], IDX["t10k-images-idx3-ubyte"])
    np.testing.assert_array_equal(data.test_labels, IDX["t10k-labels-idx1-ubyte"])
    assert load(str(idx_folder), image_size=(8, 8), channels=3).train_images.shape == (6, 3, 8, 8)


@pytest.mark.parametrize("below", ["raw", "MNIST/raw"])
def test_idx_files_where_torchvision_keeps_them(idx_folder, below):
    expected = load(str(idx_folder))
    (idx_folder / below).mkdir(parents=True)
    for name in IDX:
        (idx_folder / name).rename(idx_folder / below / name)
    assert_same(load(str(idx_folder)), expected)


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_for_an_idx_file(idx_folder, packed):
    (idx_folder / TRAIN_LABELS).unlink()
    path = idx_folder / (TRAIN_LABELS + ".gz" * packed)
    os.mkfifo(path)
    assert refusal(idx_folder).startswith(f"{path}: a pipe, not a file")


def replace(name, content):
    return lambda root: (root / name).write_bytes(content)


def make_directory(root):
    (root / "train-labels-idx1-ubyte").unlink()
    (root / "train-labels-idx1-ubyte").mkdir()


GIANT = bytes([0, 0, 8, 3]) + struct.pack(">3I", *[2**32 - 1] * 3)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = IDX
IMAGES, LABELS = to_idx(IDX[TRAIN_IMAGES]), to_idx(IDX[TRAIN_LABELS])

IDX_FAULTS = {
    "missing": (lambda root: (root / TRAIN_LABELS).unlink(), TRAIN_LABELS, "missing, with or without .gz"),
    "directory": (make_directory, TRAIN_LABELS, "directory"),
    "empty": (replace(TEST_IMAGES, b""), TEST_IMAGES, "it is empty"),
    "text": (replace(TEST_LABELS, b"7\n2\n1\n0\n4\n"), TEST_LABELS, "not an IDX file"),
    "bad magic": (replace(TRAIN_IMAGES, b"\1" + IMAGES[1:]), TRAIN_IMAGES, "it starts with 01 00 08 03"),
    "floats": (replace(TRAIN_IMAGES, IMAGES[:2] + b"\x0d" + IMAGES[3:]), TRAIN_IMAGES, "not an IDX file"),
    "labels for images": (replace(TRAIN_IMAGES, LABELS), TRAIN_IMAGES, "not an IDX file of 3 axes"),
    "half a header": (replace(TRAIN_IMAGES, IMAGES[:10]), TRAIN_IMAGES, "truncated in its header"),
    "truncated": (replace(TRAIN_IMAGES, IMAGES[:-1]), TRAIN_IMAGES, "truncated, 71 bytes"),
    "over-long": (replace(TRAIN_IMAGES, IMAGES + b"1"), TRAIN_IMAGES, "over-long, 73 bytes"),
    "giant": (replace(TRAIN_IMAGES, GIANT), TRAIN_IMAGES, "truncated, 0 bytes"),
    "packed giant": (replace(TRAIN_IMAGES, gzip.compress(GIANT)), TRAIN_IMAGES, "truncated, 0 bytes"),
    "gzip truncated": (replace(TRAIN_IMAGES, gzip.compress(IMAGES)[:-9]), TRAIN_IMAGES, "truncated gzip data"),
    "gzip over-long": (replace(TRAIN_IMAGES, gzip.compress(IMAGES) + b"12"), TRAIN_IMAGES, "2 bytes follow"),
    "gzip corrupt": (replace(TRAIN_IMAGES, gzip.compress(IMAGES)[:20] + bytes(99)), TRAIN_IMAGES, "broken gzip"),
    "no images": (replace(TEST_IMAGES, to_idx(np.zeros((0, 4, 3), np.uint8))), TEST_IMAGES, "no images"),
    "no pixels": (replace(TEST_IMAGES, to_idx(np.zeros((2, 0, 3), np.uint8))), TEST_IMAGES, "no images"),
    "fewer labels": (replace(TRAIN_LABELS, to_idx(np.arange(5, dtype=np.uint8))), TRAIN_LABELS, "5 labels for the 6"),
    "other size": (replace(TEST_IMAGES, to_idx(np.zeros((2, 3, 4), np.uint8))), TEST_IMAGES, "images of 1x3x4"),
    "label beyond": (replace(TEST_LABELS, to_idx(np.array([2, 3], np.uint8))), TEST_LABELS, "label 3 is unknown"),
    "single class": (replace(TRAIN_LABELS, to_idx(np.full(6, 7, np.uint8))), TRAIN_LABELS, "a single class, 7"),
}


@pytest.mark.parametrize("name", IDX_FAULTS)
def test_idx_faults(idx_folder, name):
    spoil, where, words = IDX_FAULTS[name]
    spoil(idx_folder)
    message = refusal(idx_folder)
    assert message.startswith(f"{idx_folder / where}: ")
    assert words in message


@pytest.mark.parametrize("head", [IMAGES, b"", b"text", GIANT])
def test_gzip_bomb(idx_folder, monkeypatch, head):
    monkeypatch.setattr(idx, "MAX_BYTES", 10_000)
    (idx_folder / TRAIN_IMAGES).write_bytes(gzip.compress(head + bytes(1_000_000)))
    assert "unpacks to more than" in refusal(idx_folder)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_truncated_anywhere(packed):
    content = gzip.compress(IMAGES) if packed else IMAGES
    for length in range(len(content)):
        with pytest.raises(InputError, match=r"^file: "):
            idx.parse(idx.unpack(content[:length], "file"), "file", 3)


@pytest.mark.parametrize("packed", [False, True])
@given(st.data())
@quick_fuzz
def test_only_input_errors_for_corrupt_idx_files(idx_folder, packed, data):
    content = corrupted(data.draw, gzip.compress(IMAGES) if packed else IMAGES)
    (idx_folder / TRAIN_IMAGES).write_bytes(content)
    try:
        loaded = load(str(idx_folder))
    except InputError:
        return
    assert_sound(loaded)
    if packed and content[:2] == b"\x1f\x8b":  # its checksum vouches for the pixels
        np.testing.assert_array_equal(loaded.train_images[:, 0], IDX[TRAIN_IMAGES])
