"""Archives .npz as data sets."""

import io
import os
import pickle
import socket
import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.damaged import corrupted
from tests.workbench.datasets.loading import assert_sound, quick_fuzz, refusal
from workbench.datasets import archive, load
from workbench.datasets.split import stratified_split
from workbench.system.errors import InputError

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (10, 4, 5), dtype=np.uint8)
X.flat[-1] = 255
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
