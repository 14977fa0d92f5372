"""What mypy reports on a user's file: ``py.typed`` promises that it sees types of arrays."""

from pathlib import Path

import pytest
from mypy import api

import kernels

USER = """
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import kernels
from kernels import DeviceArray

Single = NDArray[np.float32]
Double = NDArray[np.float64]


def on_host(x: Single, w: Single, rows: Double, weights: Double, labels: NDArray[np.int64]) -> None:
    assert_type(kernels.conv2d(x, w, stride=2, padding="same"), Single)
    assert_type(kernels.conv2d(x=x, w=w, b=None), Single)
    assert_type(kernels.conv2d_backward(x, x, w), tuple[Single, Single, Single])
    assert_type(kernels.relu(kernels.max_pool2d(x, 2)), Single)
    assert_type(kernels.max_pool2d_backward(dy=x, x=x, kernel_size=(2, 2)), Single)
    assert_type(kernels.dense(rows, weights, out=rows), Double)
    assert_type(kernels.softmax(rows), Double)
    assert_type(kernels.cross_entropy(rows, labels), Double)
    assert_type(kernels.cross_entropy_backward(logits=rows, labels=labels), Double)
    assert_type(kernels.to_host(labels), NDArray[np.int64])


def on_device(x: Single) -> Single:
    d_x = kernels.to_device(x)
    assert_type(d_x, DeviceArray)
    assert_type(kernels.conv2d(d_x, d_x), DeviceArray)
    assert_type(kernels.dense_backward(d_x, d_x, d_x), tuple[DeviceArray, DeviceArray, DeviceArray])
    assert_type(kernels.to_host(d_x), NDArray[Any])
    return kernels.to_host(d_x)


class Frame:
    def __array__(self) -> Double:
        raise NotImplementedError


assert_type(kernels.relu(Frame()), NDArray[np.floating[Any]])
print(kernels.explain("relu", (2, 3)), [each.name for each in kernels.implementations("relu")])


def wrong(x: Single, labels: NDArray[np.int64]) -> None:
"""

WRONG = {
    'kernels.relu("x")': "call-overload",
    "kernels.relu(labels)": "type-var",
    "kernels.relu(x, strid=2)": "call-overload",
    "kernels.conv2d(x, labels)": "arg-type",
    "kernels.cross_entropy(x, x)": "arg-type",
    "kernels.max_pool2d(x)": "call-overload",
    "kernels.to_host(None)": "call-overload",
    "kernels.relu(x).copy_to_host()": "attr-defined",
}
"""Wrong calls, each with mypy's error code."""


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """The errors of ``mypy --strict`` in the user's file, by line."""
    folder = tmp_path_factory.mktemp("typed")
    file = folder / "user.py"
    file.write_text("\n    ".join([USER.rstrip(), *WRONG]))
    options = ["--strict", "--follow-imports=silent", "--ignore-missing-imports", "--config-file="]
    printed, complaint, _ = api.run([*options, f"--cache-dir={folder / 'cache'}", str(file)])
    assert not complaint
    found = {}
    for line in printed.splitlines():
        if " error: " in line:
            found.setdefault(int(line.removeprefix(f"{file}:").partition(":")[0]), []).append(line)
    return found


def test_a_users_file_sees_arrays(errors):
    assert [each for line, each in errors.items() if line <= USER.count("\n")] == []


@pytest.mark.parametrize(("place", "call"), tuple(enumerate(WRONG, USER.count("\n") + 1)))
def test_misuse_is_an_error(errors, place, call):
    assert any(f"[{WRONG[call]}]" in line for line in errors.get(place, [])), errors


def test_the_promise_is_shipped():
    assert (Path(kernels.__file__).parent / "py.typed").is_file()
