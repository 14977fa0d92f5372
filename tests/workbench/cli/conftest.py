"""The command line in this process, and a network that it has trained."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
from PIL import Image

from workbench.cli import run


@pytest.fixture
def call(capsys):
    """Run the command line in this process; return exit code, standard output and standard error."""

    def invoke(*arguments):
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return invoke


@pytest.fixture
def refused(call):
    """Run something that must be refused: exit code 2, one line on standard error with all of these words."""

    def invoke(arguments, *words):
        code, out, err = call(*arguments)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1, err
        for word in words:
            assert word in err

    return invoke


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A folder of pictures in four classes: a light square in one corner of a dark picture."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("data") / "blobs"
    for index, name in enumerate(("north-east", "north-west", "south-east", "south-west")):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 60, (20, 20)).astype(np.uint8)
            top, left = (0 if index < 2 else 10), (10 if index % 2 == 0 else 0)
            pixels[top + 1 : top + 9, left + 1 : left + 9] += 150
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(blobs, tmp_path_factory):
    """The folder of a network trained on the blobs."""
    out = tmp_path_factory.mktemp("runs") / "blobs"
    model = "conv 4 3x3 pad=1 | relu | maxpool 2 | dense 8 | relu | dense 4"
    settings = ("--model", model, "--epochs", "40", "--batch-size", "8", "--out", str(out))
    with redirect_stdout(io.StringIO()) as printed:
        assert run(["train", "--data", str(blobs), *settings]) == 0
    assert "epoch 40/40" in printed.getvalue()
    return out
