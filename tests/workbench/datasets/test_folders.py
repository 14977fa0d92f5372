"""Folders of pictures as data sets."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workbench.datasets.loading import assert_same, assert_sound, refusal
from workbench.datasets import folder, load
from workbench.pictures.listing import natural


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
