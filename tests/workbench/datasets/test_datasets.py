"""The embedded MNIST, and data of one's own: folders of pictures, IDX files, .npz archives."""

import gzip
import io
import os
import pickle
import socket
import struct
import warnings
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.damaged import corrupted
from workbench.datasets import Dataset, archive, folder, idx, load, mnist, to_unit
from workbench.datasets.split import stratified_split
from workbench.pictures.listing import natural
from workbench.system.errors import InputError

RANDOM = np.random.default_rng(0)

quick_fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refusal(source, **options):
    """The message of the InputError that loading must raise: a single line."""
    with pytest.raises(InputError) as caught:
        load(str(source), **options)
    message = str(caught.value)
    assert message == message.strip()
    assert len(message.splitlines()) == 1
    return message


def assert_sound(data):
    """What every data set promises, whatever it was loaded from."""
    assert isinstance(data, Dataset)
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert images.shape == (len(labels), data.channels, *data.image_size)
        assert images.dtype in (np.uint8, np.float32)
        assert images.flags.c_contiguous
        assert labels.dtype == np.int64
        assert labels.min() >= 0
        assert labels.max() < len(data.classes)
        assert not images.flags.writeable
        assert not labels.flags.writeable


def assert_same(one, other):
    np.testing.assert_array_equal(one.train_images, other.train_images)
    np.testing.assert_array_equal(one.train_labels, other.train_labels)
    np.testing.assert_array_equal(one.test_images, other.test_images)
    np.testing.assert_array_equal(one.test_labels, other.test_labels)
    assert one.classes == other.classes


# The embedded MNIST


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


# Arguments and sources


@pytest.mark.parametrize("images", [np.array([0, 51, 255], np.uint8), np.array([0, 0.2, 1], np.float32)])
def test_to_unit(images):
    unit = to_unit(images)
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit, np.array([0, 0.2, 1], np.float32))
    assert (unit is images) == (images.dtype == np.float32)


@pytest.mark.parametrize("source", ["", "no-such-thing", "no-such-thing.npz", "nul\0byte", "x" * 5000, "two\nlines"])
def test_no_such_source(source):
    message = refusal(source)
    assert "mnist" in message or "too long" in message
    assert repr(source) in message or source in message


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("1,2,3\n")
    message = refusal(path)
    assert message.startswith(f"{path}: not a data set")
    assert "IDX" in message


@pytest.mark.parametrize(
    "options", [{"channels": 2}, {"channels": 0}, {"image_size": (0, 28)}, {"image_size": (28, -1)}]
)
def test_options_out_of_range(options):
    assert refusal("mnist", **options)


def test_more_than_memory_holds():
    message = refusal("mnist", image_size=(4000, 4000))
    assert message.startswith("mnist: ")
    assert "smaller image size" in message


# The split


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=60).map(lambda half: half * 2), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_split_is_stratified(labels, seed):
    labels = np.array(labels)
    train, test = stratified_split(labels, "abcd", "data", seed)
    assert sorted([*train, *test]) == list(range(len(labels)))
    for label in np.unique(labels):
        held, count = np.sum(labels[test] == label), np.sum(labels == label)
        assert held == max(1, round(count / 5))
    again = stratified_split(labels, "abcd", "data", seed)
    np.testing.assert_array_equal(again[0], train)


def test_split_depends_on_the_seed():
    labels = np.repeat([0, 1], 50)
    splits = {tuple(stratified_split(labels, "ab", "data", seed)[1]) for seed in range(5)}
    assert len(splits) == 5


# Folders of pictures


def save(path, value=0, size=(6, 5), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    Image.new(mode, (width, height), value).save(path)


@pytest.fixture
def parts(tmp_path):
    """A folder with train/ and test/ of three classes, the pixels telling the class."""
    root = tmp_path / "pets"
    for part, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(("2", "10", "cat")):
            for number in range(count):
                save(root / part / name / f"{number}.png", 100 * label + number)
    return root


@pytest.fixture
def classes(tmp_path):
    """A folder of two classes, ten pictures in each, without a test part."""
    root = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        for number in range(10):
            save(root / name / f"{number}.png", 100 * label + number)
    return root


def test_folder_with_parts(parts):
    (parts / "train" / "cat" / ".hidden.png").write_text("not a picture")
    (parts / "train" / "cat" / "notes.txt").write_text("not a picture")
    (parts / "README.md").write_text("about")
    (parts / ".git").mkdir()
    data = load(str(parts))
    assert_sound(data)
    assert data.name == "pets"
    assert data.classes == ("2", "10", "cat")
    assert data.image_size == (6, 5)
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.test_labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 102, 200, 201, 202]


def test_folder_without_parts(classes):
    data = load(str(classes), seed=3)
    assert_sound(data)
    assert (len(data.train_labels), len(data.test_labels)) == (16, 4)
    assert data.classes == ("cat", "dog")
    assert np.bincount(data.test_labels).tolist() == [2, 2]
    pixels = np.concatenate([data.train_images, data.test_images])[:, 0, 0, 0]
    assert sorted(pixels.tolist()) == [*range(10), *range(100, 110)]
    np.testing.assert_array_equal(data.train_images[:, 0, 0, 0] // 100, data.train_labels)
    assert_same(load(str(classes), seed=3), data)


def test_folder_of_mixed_pictures(parts):
    save(parts / "train" / "2" / "a.JPG", (250, 250, 250), (30, 40), "RGB")
    save(parts / "train" / "2" / "b.Gif", 255, (3, 4))
    save(parts / "train" / "2" / "c.webp", (255, 255, 255, 255), (9, 9), "RGBA")
    save(parts / "train" / "2" / "d.bmp", 255, (3, 4))
    data = load(str(parts), channels=3)
    assert_sound(data)
    assert data.train_images.shape == (13, 3, 6, 5)
    assert data.train_images[3:7].min() >= 248
    assert load(str(parts), image_size=(8, 9)).image_size == (8, 9)


def test_class_called_train(tmp_path):
    for name in ("train", "tram"):
        for number in range(2):
            save(tmp_path / name / f"{number}.png")
    assert load(str(tmp_path)).classes == ("train", "tram")


def test_natural_order(tmp_path):
    names = ["a10", "a9", "b", "09", "9", "10", "2", "x1y2", "x1y10"]
    paths = sorted((Path(name) for name in names), key=natural)
    assert [path.name for path in paths] == ["2", "09", "9", "10", "a9", "a10", "b", "x1y2", "x1y10"]


def remove(path):
    for child in path.iterdir():
        child.unlink()
    path.rmdir()


FOLDER_FAULTS = {
    "text named .png": (lambda root: (root / "train/cat/x.png").write_text("hi"), "train/cat/x.png", "not a picture"),
    "empty picture": (lambda root: (root / "test/cat/0.png").write_bytes(b""), "test/cat/0.png", "empty"),
    "truncated picture": (
        lambda root: (root / "train/2/0.png").write_bytes((root / "train/2/0.png").read_bytes()[:45]),
        "train/2/0.png",
        "truncated or broken",
    ),
    "folder named .png": (lambda root: (root / "train/cat/x.png").mkdir(), "train/cat/x.png", "a folder inside"),
    "nested folder": (lambda root: (root / "train/cat/more").mkdir(), "train/cat/more", "a folder inside"),
    "broken link": (lambda root: (root / "train/cat/x.png").symlink_to("none"), "train/cat/x.png", "No such file"),
    "unlabelled in train": (lambda root: save(root / "train/x.png"), "train/x.png", "without a label"),
    "unlabelled beside the parts": (lambda root: save(root / "x.jpeg"), "x.jpeg", "without a label"),
    "class without pictures": (lambda root: (root / "train/dog").mkdir(), "train/dog", "no pictures"),
    "class in test only": (lambda root: save(root / "test/dog/0.png"), "test/dog", "missing from"),
    "class in train only": (lambda root: save(root / "train/dog/0.png"), "train/dog", "missing from"),
    "no test": (lambda root: (root / "test").rename(root / ".old"), "train/2", "both train/ and test/"),
    "single class": (lambda root: [remove(root / "train" / name) for name in ("2", "10")], "train", "single class"),
    "no classes": (lambda root: [remove(root / "train" / name) for name in ("2", "10", "cat")], "train", "looked for"),
}


@pytest.mark.parametrize("name", FOLDER_FAULTS)
def test_folder_faults(parts, name):
    spoil, where, words = FOLDER_FAULTS[name]
    spoil(parts)
    message = refusal(parts)
    assert message.startswith(f"{parts / where}: ")
    assert words in message


def test_empty_folder(tmp_path):
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}: no data found")
    assert "IDX" in message


def test_unlabelled_folder(tmp_path):
    save(tmp_path / "0.png")
    assert "without a label" in refusal(tmp_path)


def test_class_of_a_single_picture(classes):
    save(classes / "hen" / "0.png")
    message = refusal(classes)
    assert message.startswith(f"{classes}: class hen has a single image")


def test_too_many_classes(classes, monkeypatch):
    monkeypatch.setattr(folder, "MAX_CLASSES", 1)
    assert "2 classes" in refusal(classes)


def test_folder_larger_than_memory(classes):
    assert refusal(classes, image_size=(40_000, 40_000)).startswith(f"{classes}: 20 images of 1x40000x40000")


def test_forbidden_folder(classes, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert refusal(classes) == f"{classes}: cannot be read (Permission denied)"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_folder_without_permission(classes):
    (classes / "cat").chmod(0)
    try:
        assert refusal(classes) == f"{classes / 'cat'}: cannot be read (Permission denied)"
    finally:
        (classes / "cat").chmod(0o700)


@pytest.mark.parametrize("held", ["test", "val", "valid", "Validation", "TEST"])
@pytest.mark.parametrize("train", ["train", "Training"])
def test_other_names_of_the_parts(parts, train, held):
    expected = load(str(parts))
    (parts / "train").rename(parts / train)
    (parts / "test").rename(parts / held)
    data = load(str(parts))
    assert_same(data, expected)
    assert data.notes == ()


def test_of_two_held_out_parts_test_is_used_and_the_other_is_named(parts):
    expected = load(str(parts))
    for name in ("2", "10", "cat"):
        save(parts / "val" / name / "0.png", 77)
    data = load(str(parts))
    assert_same(data, expected)
    assert data.notes == (f"{parts / 'val'} is not used: test/ is the test part",)


def test_what_operating_systems_leave_is_no_data(parts):
    expected = load(str(parts))
    for folder_ in (parts, parts / "train", parts / "train" / "cat"):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
            (folder_ / name).write_bytes(b"1")
        (folder_ / "__MACOSX" / "deeper").mkdir(parents=True)
        save(folder_ / "__MACOSX" / "._x.png")
    data = load(str(parts))
    assert_same(data, expected)
    assert data.notes == ()


def test_a_tif_is_a_picture_and_other_files_are_named(classes):
    save(classes / "cat" / "10.tif", 50)
    save(classes / "cat" / "11.TIFF", 51)
    for name in ("a.heic", "b.heic", "labels.csv"):
        (classes / "dog" / name).write_bytes(b"1")
    data = load(str(classes))
    assert len(data.train_labels) + len(data.test_labels) == 22
    (note,) = data.notes
    assert "3 files (.heic: 2, .csv: 1)" in note
    assert str(classes / "dog" / "a.heic") in note


def test_a_class_of_unreadable_pictures_is_not_to_be_removed(classes):
    for path in (classes / "cat").iterdir():
        path.rename(path.with_suffix(".heic"))
    message = refusal(classes)
    assert message.startswith(f"{classes / 'cat'}: no pictures (.png, ")
    assert "10 files (.heic: 10); convert them" in message
    assert "remove" not in message


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("train", ("provide both train/ and test/ (or val/)", "{root}", "or pass {root}/train")),
        ("photos", ("pass {root}/photos",)),
    ],
)
def test_the_remedy_for_a_folder_too_high_keeps_the_pictures_where_they_are(tmp_path, part, words):
    for name in ("cat", "dog"):
        save(tmp_path / part / name / "0.png")
    (tmp_path / "__MACOSX").mkdir()
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path / part / 'cat'}: a folder inside a class folder")
    for word in words:
        assert word.format(root=tmp_path) in message
    assert "put" not in message
    assert "remove" not in message


@pytest.mark.parametrize("beside", ["labels", "meta"])
def test_train_beside_another_folder_without_a_test_part(parts, beside):
    (parts / "test").rename(parts / ".old")
    save(parts / beside / "0.png")
    assert "provide both train/ and test/" in refusal(parts)


def test_a_test_part_without_labels_is_not_needed(parts):
    """As competitions have it."""
    save(parts / "test" / "x.png")
    message = refusal(parts)
    assert message.startswith(f"{parts / 'test' / 'x.png'}: a picture without a label")
    assert message.endswith(f"or pass {parts / 'train'} to have it split 80/20")


def test_a_pipe_in_a_class_folder(classes):
    os.mkfifo(classes / "cat" / "pipe.png")
    assert refusal(classes).startswith(f"{classes / 'cat' / 'pipe.png'}: a pipe, not a file")


def test_an_archive_of_pictures_is_to_be_unpacked(tmp_path):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    assert refusal(tmp_path / "photos.zip").startswith(f"{tmp_path / 'photos.zip'}: an archive; unpack it")


# IDX files


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


# .npz archives

X = RANDOM.integers(0, 256, (10, 4, 5), dtype=np.uint8)
Y = np.array([0, 2] * 5)


def savez(path, save=np.savez, **contents):
    save(path, **contents)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_with_a_test_part(tmp_path, save):
    path = savez(tmp_path / "digits.npz", save, x=X, y=Y, x_test=X[:2], y_test=Y[:2].astype(np.uint8))
    data = load(str(path))
    assert_sound(data)
    assert data.name == "digits"
    assert data.classes == ("0", "1", "2")
    np.testing.assert_array_equal(data.train_images[:, 0], X)
    np.testing.assert_array_equal(data.train_labels, Y)
    np.testing.assert_array_equal(data.test_images[:, 0], X[:2])


def test_npz_split(tmp_path):
    path = savez(tmp_path / "digits.npz", x=X, y=Y)
    data = load(str(path), seed=5)
    assert_sound(data)
    assert sorted(data.test_labels.tolist()) == [0, 2]
    train, test = stratified_split(Y, "012", "", 5)
    np.testing.assert_array_equal(data.train_images[:, 0], X[train])
    np.testing.assert_array_equal(data.test_images[:, 0], X[test])


@pytest.mark.parametrize(
    ("shape", "channels_last", "native"),
    [
        ((10, 4, 5), False, (1, 4, 5)),
        ((10, 1, 4, 5), False, (1, 4, 5)),
        ((10, 3, 4, 5), False, (3, 4, 5)),
        ((10, 4, 5, 1), True, (1, 4, 5)),
        ((10, 4, 5, 3), True, (3, 4, 5)),
        ((10, 3, 5, 3), False, (3, 5, 3)),  # could be either
        ((10, 1, 5, 3), False, (1, 5, 3)),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_layouts(tmp_path, shape, channels_last, native, order):
    x = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    path = savez(tmp_path / "a.npz", x=np.asarray(x, order=order), y=Y, x_test=x, y_test=Y)
    data = load(str(path), channels=native[0])
    assert_sound(data)
    expected = np.moveaxis(x, -1, 1) if channels_last else x.reshape(10, *native)
    np.testing.assert_array_equal(data.train_images, expected)
    assert load(str(path), channels=4 - native[0]).channels == 4 - native[0]


@pytest.mark.parametrize("dtype", ["u1", "i2", ">i4", "u8"])
def test_npz_integers(tmp_path, dtype):
    data = load(str(savez(tmp_path / "a.npz", x=X.astype(dtype), y=Y.astype(">i2"), x_test=X, y_test=Y)))
    assert data.train_images.dtype == np.uint8
    np.testing.assert_array_equal(data.train_images[:, 0], X)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "g"])
@pytest.mark.parametrize("size", [None, (9, 3)])
def test_npz_floats(tmp_path, dtype, size):
    x = (X / 255).astype(dtype)
    data = load(str(savez(tmp_path / "a.npz", x=x, y=Y, x_test=x, y_test=Y)), image_size=size)
    assert_sound(data)
    assert data.train_images.dtype == np.float32
    if size is None:
        np.testing.assert_array_equal(data.train_images[:, 0], x.astype(np.float32))
    else:
        assert data.train_images.min() >= 0
        assert data.train_images.max() <= 1


LAYOUTS = {
    "keras": (("x_train", "y_train"), ("x_test", "y_test")),
    "capitals": (("X_train", "Y_train"), ("X_test", "Y_test")),
    "medmnist": (("train_images", "train_labels"), ("test_images", "test_labels")),
    "validation": (("train_images", "train_labels"), ("val_images", "val_labels")),
    "own": (("x", "y"), ("x_test", "y_test")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_names_that_people_give_arrays(tmp_path, layout, save):
    (x, y), (x_test, y_test) = LAYOUTS[layout]
    data = load(str(savez(tmp_path / "a.npz", save, **{x: X, y: Y, x_test: X[:3], y_test: Y[:3]})))
    assert_sound(data)
    assert data.notes == (f"{tmp_path / 'a.npz'}: array {y}: class 1 stays empty, no training image has such a label",)
    np.testing.assert_array_equal(data.train_images[:, 0], X)
    np.testing.assert_array_equal(data.train_labels, Y)
    np.testing.assert_array_equal(data.test_images[:, 0], X[:3])
    np.testing.assert_array_equal(data.test_labels, Y[:3])
    split = load(str(savez(tmp_path / "b.npz", save, **{x: X, y: Y})))
    assert (len(split.train_labels), len(split.test_labels)) == (8, 2)


def test_medmnist_as_it_is(tmp_path):
    """Labels (N, 1) of uint8, channels last, a validation part besides the test part."""
    x, y = RANDOM.integers(0, 256, (10, 4, 4, 3), dtype=np.uint8), (np.arange(10) % 2).astype(np.uint8)[:, None]
    names = ("train", "val", "test")
    path = savez(
        tmp_path / "a.npz",
        **{f"{n}_images": x for n in names},
        **{f"{n}_labels": np.roll(y, n == "val") for n in names},
    )
    data = load(str(path), channels=3)
    assert_sound(data)
    np.testing.assert_array_equal(data.train_images, np.moveaxis(x, 3, 1))
    np.testing.assert_array_equal(data.test_labels, y[:, 0])
    assert data.notes == (f"{path}: val_images and val_labels are not used, test_images is the test part",)


@pytest.mark.parametrize("dtype", ["u1", "i2", ">i4", "u8", "f4", "f8", "?"])
@pytest.mark.parametrize("form", ["column", "one-hot", "row"])
def test_forms_of_labels(tmp_path, dtype, form):
    labels = np.array([0, 1] * 5)
    if form == "one-hot":
        y = np.eye(2)[labels].astype(dtype)
    else:
        y = labels.astype(dtype)[:, None] if form == "column" else labels.astype(dtype)
    data = load(str(savez(tmp_path / "a.npz", x=X, y=y, x_test=X, y_test=y)))
    assert data.train_labels.tolist() == data.test_labels.tolist() == labels.tolist()
    assert data.classes == ("0", "1")
    assert data.notes == ()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_floats_from_0_to_255(tmp_path, dtype):
    whole = X.astype(dtype)
    data = load(str(savez(tmp_path / "a.npz", x=whole, y=Y, x_test=whole, y_test=Y)))
    np.testing.assert_array_equal(data.train_images[:, 0], X)  # whole numbers are bytes
    broken = (X * 0.99).astype(dtype)
    data = load(str(savez(tmp_path / "b.npz", x=broken, y=Y, x_test=broken, y_test=Y)))
    np.testing.assert_allclose(data.train_images[:, 0], X / 255 * 0.99, atol=1e-3)
    assert data.train_images.dtype == np.float32
    assert any("array x: its floats reach" in note and "0..255" in note for note in data.notes)


def test_labels_from_1_are_said(tmp_path):
    path = savez(tmp_path / "a.npz", x=X, y=Y + 1)
    (note,) = load(str(path)).notes
    assert note == (
        f"{path}: array y: the labels start at 1, so classes 0, 2 stay empty; subtract 1 to number them from 0"
    )


def test_dark_images_are_said(tmp_path):
    notes = load(str(savez(tmp_path / "a.npz", x=X % 17, y=Y // 2))).notes
    assert len(notes) == 1
    assert "array x: the largest value is 16 of 255" in notes[0]
    assert "divided by 16" in notes[0]


def test_flat_images_name_the_reshape(tmp_path):
    assert "x.reshape(-1, 2, 2)" in refusal(savez(tmp_path / "a.npz", x=X.reshape(50, 4), y=np.arange(50) % 2))


NAN, INFINITE = (np.where(X.max() == X, value, X / 255) for value in (np.nan, np.inf))
SIGNALLING = np.frombuffer(b"\x01\0\xa0\x7f" * X.size, dtype="<f4").reshape(X.shape)

NPZ_FAULTS = {
    "no x": ({"images": X, "y": Y}, "", "no array x; the archive has 'images', 'y'"),
    "no y": ({"x": X}, "", "no array y;"),
    "nothing": ({}, "", "no array x; the archive has none"),
    "two names of images": (
        {"x": X, "x_train": X, "y": Y},
        "",
        "has 'x' and 'x_train', and which is meant is ambiguous",
    ),
    "two names of labels": ({"x_train": X, "y_train": Y, "labels": Y}, "", "has 'labels' and 'y_train', and"),
    "three names": ({"x": X, "images": X, "train_images": X, "y": Y}, "", "'images', 'train_images' and 'x'"),
    "two spellings": ({"x": X, "X": X, "y": Y}, "", "has 'X' and 'x', and"),
    "two test parts": ({"x": X, "y": Y, "x_test": X, "test_images": X}, "", "'test_images' and 'x_test'"),
    "two spellings of test labels": ({"x": X, "y": Y, "x_test": X, "y_test": Y, "Y_test": Y}, "", "'Y_test' and"),
    "two validation parts": ({"x": X, "y": Y, "x_val": X, "X_VAL": X}, "", "'X_VAL' and 'x_val'"),
    "many": ({f"a{number}": Y for number in range(9)}, "", "'a5', ..."),
    "x_test alone": ({"x": X, "y": Y, "x_test": X}, "", "no array y_test;"),
    "y_test alone": ({"x": X, "y": Y, "y_test": Y}, "", "no array x_test;"),
    "objects": ({"x": np.array([X, None], dtype=object), "y": Y}, "x", "type object"),
    "text": ({"x": X, "y": np.array(["a", "b"] * 5)}, "y", "type <U1"),
    "complex": ({"x": X * 1j, "y": Y}, "x", "type complex128"),
    "bool": ({"x": X > 9, "y": Y}, "x", "type bool"),
    "record": ({"x": np.zeros(3, "u1,f4"), "y": Y}, "x", "type [("),
    "fractions as labels": ({"x": X, "y": Y + 0.5}, "y", "y.astype(int)"),
    "NaN as a label": ({"x": X, "y": np.where(Y, np.nan, 0)}, "y", "y.astype(int)"),
    "two classes an image": ({"x": X, "y": np.ones((10, 2), int)}, "y", "shape (10, 2); labels must be (N,)"),
    "one-hot rows but one": ({"x": X, "y": np.eye(3)[[0, 1] * 5] * np.r_[:10][:, None].clip(0, 1)}, "y", "not one-hot"),
    "flat images": ({"x": X.reshape(10, 20), "y": Y}, "x", "shape (10, 20)"),
    "two channels": ({"x": X.reshape(10, 2, 2, 5), "y": Y}, "x", "shape (10, 2, 2, 5)"),
    "scalar": ({"x": X[0, 0, 0], "y": Y}, "x", "shape ()"),
    "five axes": ({"x": X[:, None, None], "y": Y}, "x", "shape (10, 1, 1, 4, 5)"),
    "no images": ({"x": X[:0], "y": Y[:0]}, "x", "empty, of shape (0, 4, 5)"),
    "no pixels": ({"x": X[:, :0], "y": Y}, "x", "empty, of shape (10, 0, 5)"),
    "no labels": ({"x": X, "y": Y[:0]}, "y", "empty, of shape (0,)"),
    "fewer labels": ({"x": X, "y": Y[:9]}, "y", "9 labels for the 10 images"),
    "an unknown range": ({"x": X / 255 * 16, "y": Y}, "x", "scale float64 images to 0..1 or 0..255"),
    "two ranges": (
        {"x": X.astype(float), "y": Y, "x_test": X / 255, "y_test": Y},
        "x_test",
        "floats in 0..1, but",
    ),
    "negative floats": ({"x": X / -255, "y": Y}, "x", "scale float64 images to 0..1"),
    "barely too large": ({"x": X / 255 + 1e-9, "y": Y}, "x", "scale float64 images to 0..1"),
    "NaN": ({"x": NAN, "y": Y}, "x", "values from nan to nan"),
    "signalling NaN": ({"x": SIGNALLING, "y": Y}, "x", "values from nan to nan"),
    "infinite": ({"x": INFINITE, "y": Y}, "x", "to inf"),
    "large integers": ({"x": X.astype(int) + 256, "y": Y}, "x", "scale int64 images to 0..255"),
    "negative integers": ({"x": X.astype(int) - 256, "y": Y}, "x", "scale int64 images to 0..255"),
    "negative label": ({"x": X, "y": Y - 1}, "y", "label -1 is negative"),
    "huge label": ({"x": X, "y": Y * 10**9}, "y", "label 2000000000, but at most 10,000"),
    "label beyond int64": ({"x": X, "y": Y.astype("u8") * 2**62}, "y", f"label {2**63}, but at most"),
    "single class": ({"x": X, "y": Y * 0}, "y", "a single class, 0"),
    "single image": ({"x": X, "y": np.array([1, 4] + [0] * 8)}, "y", "class 1 has a single image"),
    "other size": ({"x": X, "y": Y, "x_test": X[:, 1:], "y_test": Y}, "x_test", "images of 1x3x5"),
    "other channels": ({"x": X, "y": Y, "x_test": X[:, None].repeat(3, 1), "y_test": Y}, "x_test", "images of 3x4x5"),
    "no test images": ({"x": X, "y": Y, "x_test": X[:0], "y_test": Y[:0]}, "x_test", "empty"),
    "test label beyond": ({"x": X, "y": Y, "x_test": X, "y_test": Y + 1}, "y_test", "label 3 is unknown"),
    "negative test label": ({"x": X, "y": Y, "x_test": X, "y_test": Y - 1}, "y_test", "label -1 is negative"),
}


@pytest.mark.parametrize("name", NPZ_FAULTS)
def test_npz_faults(tmp_path, name):
    contents, array, words = NPZ_FAULTS[name]
    path = tmp_path / "a.npz"
    np.savez(path, **contents)
    message = refusal(path)
    assert message.startswith(f"{path}: array {array}: " if array else f"{path}: ")
    assert words in message


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def claiming(shape, dtype="|u1"):
    """An .npy file whose header claims that shape, with nothing after it."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (b"", "broken"),
        (b"text", "broken"),
        (pickle.dumps(X), "broken"),
        (npy(X)[:-1], "truncated or over-long"),
        (npy(X) + b"1", "truncated or over-long"),
        (npy(X)[:50], "broken"),
        (b"\x93NUMPY\x09\0" + npy(X)[8:], "broken"),
        (npy(X).replace(b"(10, 4, 5)", b"(10L, 4, 5"), "broken"),
        (npy(X).replace(b"(10, 4, 5)", b"(((((((((("), "broken"),
        (claiming((10**6, 10**6, 10**6)), "truncated or over-long"),
        (claiming((-1, -1, 1)) + b"1", "empty"),
        (claiming((0, 10**30, 1)), "empty"),
    ],
)
def test_broken_array_in_an_archive(tmp_path, member, words):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", npy(Y))
    message = refusal(path)
    assert message.startswith(f"{path}: array x: ")
    assert words in message


def offset_of(content, name, local):
    """Where the header of a member starts: the one before its data, or the one in the directory."""
    return (content.find if local else content.rfind)(name.encode()) - (30 if local else 46)


HEADER_FAULTS = {
    "encrypted": ({6: 1}, {8: 1}, "encrypted"),
    "encrypted, says the member": ({6: 1}, {}, "encrypted"),
    "encrypted, says the directory": ({}, {8: 1}, "encrypted"),
    "strongly encrypted": ({6: 0x40}, {8: 0x40}, "encrypted"),
    "another method, says the member": ({8: 12}, {}, "contradicts"),
    "another method": ({8: 12}, {10: 12}, "compressed by another method"),
    "larger, says the member in its zip64 field": ({30 + 5 + 4: 1}, {}, "contradicts"),
    "smaller, says the directory": ({}, {24: 1}, "contradicts"),
    "packed larger, says the directory": ({}, {20: 255, 21: 255}, "contradicts"),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_an_archive_that_lies(tmp_path, save, fault):
    path = savez(tmp_path / "a.npz", save, x=X, y=Y)
    content = bytearray(path.read_bytes())
    in_member, in_directory, words = HEADER_FAULTS[fault]
    for changes, local in ((in_member, True), (in_directory, False)):
        start = offset_of(content, "x.npy", local)
        for place, value in changes.items():
            content[start + place] = value
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path}: array x: ")
    assert words in message


@pytest.mark.parametrize("shape", [(9, 4, 5), (11, 4, 5)])
def test_an_archive_whose_sizes_agree_and_are_wrong(tmp_path, shape):
    """All headers claim more than there is, or less; the data say otherwise."""
    path = tmp_path / "a.npz"
    content = npy(RANDOM.integers(0, 256, (10, 400, 500), dtype=np.uint8))
    claimed = content.replace(b"(10, 400, 500)", str((shape[0], 400, 500)).ljust(14).encode()[:14])
    assert len(claimed) == len(content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x.npy", claimed)
        made.writestr("y.npy", npy(Y))
    archived = bytearray(path.read_bytes())
    for local, place in ((True, 22), (False, 24)):
        size = len(content) + (shape[0] - 10) * 400 * 500
        struct.pack_into("<I", archived, offset_of(archived, "x.npy", local) + place, size)
    path.write_bytes(archived)
    message = refusal(path)
    assert message.startswith(f"{path}: array x: ")
    assert "truncated or over-long" in message or "broken" in message


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x.npy", npy(X) + bytes(10_000_000))
        made.writestr("y.npy", npy(Y))
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    assert "truncated or over-long" in refusal(path)


def test_an_array_that_stands_twice(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("x.npy", npy(X))
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("x.npy", npy(X))
        made.writestr("y.npy", npy(Y))
    assert "contains it 2 times" in refusal(path)


def test_a_streamed_archive_is_read(tmp_path):
    """Written to a pipe, a member has its sizes behind its data."""

    class Pipe(io.RawIOBase):
        def __init__(self, target):
            self.target = target

        def writable(self):
            return True

        def write(self, content):
            return self.target.write(content)

    path = tmp_path / "a.npz"
    with path.open("wb") as target, zipfile.ZipFile(Pipe(target), "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x.npy", npy(X))
        made.writestr("y.npy", npy(Y))
    assert path.read_bytes()[6] & 8
    assert_sound(load(str(path)))


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_special_files_are_no_data(tmp_path, kind):
    path = tmp_path / "a.npz"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as each:
            each.bind(str(path))
    assert refusal(path).startswith(f"{path}: a {kind}, not a file; save its content to a file")


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(X), npy(X), b"PK\5\6" + bytes(17)])
def test_not_an_archive(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: truncated, broken or not an .npz archive; make it with numpy.savez")


def test_archive_larger_than_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 100)
    assert "larger than" in refusal(savez(tmp_path / "a.npz", x=X, y=Y))


def test_directory_named_npz(tmp_path):
    (tmp_path / "a.npz").mkdir()
    assert "no data found" in refusal(tmp_path / "a.npz")


def test_forbidden_archive(tmp_path, monkeypatch):
    path = savez(tmp_path / "a.npz", x=X, y=Y)

    def refuse(file, flags):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(path) == f"{path}: cannot be read (Permission denied)"


def test_npz_truncated_anywhere(tmp_path):
    path = savez(tmp_path / "a.npz", x=X, y=Y)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert str(path) in refusal(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@given(st.data())
@quick_fuzz
def test_only_input_errors_for_corrupt_archives(tmp_path, save, data):
    path = savez(tmp_path / "a.npz", save, x=X, y=Y)
    content = corrupted(data.draw, path.read_bytes())
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            loaded = load(str(path))
        except InputError:
            return
    assert_sound(loaded)
