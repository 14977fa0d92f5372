"""Folders of .npy files and plain IDX files: mapped, not copied, and larger than memory."""

import struct

import numpy as np
import pytest

from workbench.datasets import load
from workbench.system.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """A function that saves arrays as .npy files in a folder."""

    def save(**arrays):
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        return tmp_path

    return save


def images(*shape, dtype=np.uint8):
    found = np.random.default_rng(0).integers(0, 256, shape)
    return (found / 255).astype(dtype) if np.dtype(dtype).kind == "f" else found.astype(dtype)


def is_mapped(array):
    """Whether an array is a view of a file: it ends in a map, not in memory of its own."""
    while isinstance(array, np.ndarray):
        array = array.base
    return type(array.obj if isinstance(array, memoryview) else array).__name__ == "mmap"


LABELS = np.arange(40) % 4
PART = {"x_test": images(8, 6, 5), "y_test": np.arange(8) % 4}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(40, 6, 5), (40, 1, 6, 5), (40, 6, 5, 1)])
def test_images_are_mapped(dtype, shape, folder):
    x = images(*shape, dtype=dtype)
    found = load(str(folder(x_train=x, y_train=LABELS, **PART)))
    np.testing.assert_array_equal(found.train_images, x.reshape(40, 1, 6, 5))
    np.testing.assert_array_equal(found.train_labels, LABELS)
    assert found.train_images.dtype == dtype
    assert is_mapped(found.train_images)
    assert is_mapped(found.test_images)


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("train_images", "train_labels"), ("X", "Y")])
def test_pairs_without_a_test_part(names, folder):
    x = images(40, 6, 5)
    found = load(str(folder(**dict(zip(names, (x, LABELS), strict=True)))))
    assert (len(found.train_labels), len(found.test_labels)) == (32, 8)


def test_what_is_converted_is_not_mapped(folder):
    x = images(40, 6, 5, 3)
    found = load(str(folder(x=x, y=LABELS, x_test=x, y_test=LABELS)), channels=3)
    np.testing.assert_array_equal(found.train_images, np.moveaxis(x, 3, 1))
    assert not is_mapped(found.train_images)


def test_plain_idx_files_are_mapped(tmp_path):
    x = images(40, 6, 5)
    for part in ("train", "t10k"):
        for stem, array in (("images-idx3", x), ("labels-idx1", LABELS.astype(np.uint8))):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{part}-{stem}-ubyte").write_bytes(head + array.tobytes())
    found = load(str(tmp_path))
    np.testing.assert_array_equal(found.train_images[:, 0], x)
    assert is_mapped(found.train_images)


BROKEN = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated or over-long"),
    "no header": (lambda path: path.write_bytes(b"not an array"), "broken, not an .npy file"),
    "nothing": (lambda path: path.write_bytes(b""), "broken, not an .npy file"),
    "objects": (lambda path: np.save(path, np.array([{}] * 40), allow_pickle=True), "has dtype object"),
    "text": (lambda path: np.save(path, np.array(["a"] * 40)), "has dtype <U1"),
    "empty": (lambda path: np.save(path, np.empty((0, 6, 5), np.uint8)), "empty, of shape"),
    "a number": (lambda path: np.save(path, np.uint8(3)), "empty, of shape"),
    "large": (lambda path: np.save(path, np.full((40, 6, 5), 300)), "values from 300 to 300"),
    "flat": (lambda path: np.save(path, np.zeros((40, 25), np.uint8)), "reshape"),
}


@pytest.mark.parametrize(("spoil", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_files(spoil, said, folder):
    path = folder(x=images(40, 6, 5), y=LABELS) / "x.npy"
    spoil(path)
    with pytest.raises(InputError, match=said) as caught:
        load(str(path.parent))
    assert str(path) in str(caught.value)


def test_what_is_missing_or_does_not_match(folder):
    path = folder(x=images(40, 6, 5))
    with pytest.raises(InputError, match=r"no array y; the folder has 'x'; save x_train.npy, y_train.npy"):
        load(str(path))
    folder(y=LABELS[:7])
    with pytest.raises(InputError, match=r"y.npy: 7 labels for the 40 images of .*x.npy"):
        load(str(path))
    with pytest.raises(InputError, match=r"pass the folder"):
        load(str(path / "x.npy"))


def test_a_split_that_would_need_too_much_memory(folder, monkeypatch):
    monkeypatch.setattr("workbench.datasets.dataset.memory_bytes", lambda: 1000)
    with pytest.raises(InputError, match="add a test part"):
        load(str(folder(x=images(40, 6, 5), y=LABELS)))


LARGER = """
import resource
import numpy as np
from workbench.datasets import load
from workbench.network.executor import EXECUTORS, ON_DEVICE
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters, build

COUNT, ALLOWED = 2**15, 2**25  # 4 KiB an image
network = build("maxpool 32 | dense 2", (1, 64, 64), 2)

def train(name, images, labels, count):
    parameters = Parameters.initial(network, np.random.default_rng(0))
    executor = EXECUTORS[name](network, parameters, "cpu")
    order = np.random.default_rng(0).permutation(len(labels))[:count]
    optimizer = Optimizer(parameters.flat.size, 0.1)
    return sum(step.samples for step in executor.steps(images, labels, order, 256, optimizer))

few = np.zeros((512, 1, 64, 64), np.uint8), np.arange(512) % 2
for name in EXECUTORS.keys() - {*ON_DEVICE}:  # compiles
    train(name, *few, 512)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + ALLOWED, used + ALLOWED))
data = load(FOLDER)
assert data.train_images.nbytes == 4 * ALLOWED
for name in EXECUTORS.keys() - {*ON_DEVICE}:
    assert train(name, data.train_images, data.train_labels, 2**13) == 2**13
try:
    data.train_images.copy()
except MemoryError:
    print("larger than the allowance")
"""


def test_data_larger_than_memory_are_trained_on(run_python, tmp_path):
    """Four times what the process may still allocate: maps of files do not count, copies do."""
    pytest.importorskip("resource")
    shape = (2**15, 64, 64)
    with (tmp_path / "x_train.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))  # a file of zeros that takes no space
    np.save(tmp_path / "y_train.npy", np.arange(shape[0]) % 2)
    np.save(tmp_path / "x_test.npy", np.zeros((4, 64, 64), np.uint8))
    np.save(tmp_path / "y_test.npy", np.arange(4) % 2)
    code = LARGER.replace("FOLDER", repr(str(tmp_path)))
    assert run_python(code, NUMBA_ENABLE_CUDASIM="0", NUMBA_NUM_THREADS="2") == "larger than the allowance\n"
