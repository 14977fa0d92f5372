"""Users' kernels in ``bench`` and ``train``."""

import json

import numpy as np
import pytest

from tests.workbench.benching.limits import PEAKS
from workbench.cli import run

RELU = """
import numpy as np
from numba import njit
from workbench import implements

@implements("relu")
@njit
def my_relu(x, y):
    for i in range(x.size):
        y.flat[i] = {value}
"""
RIGHT = RELU.format(value="0 if x.flat[i] <= 0 else x.flat[i]")
WRONG = RELU.format(value="x.flat[i]")
RAISING = """
from workbench import implements

@implements("relu")
def my_relu(x, y):
    raise RuntimeError("no luck")
"""


@pytest.fixture
def call(monkeypatch, capsys, tmp_path, warm_children):
    """Run a command beside the kernel ``my_relu.py``, with fixed machine limits; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("workbench.benching.document.measure_peaks", lambda _on_part: PEAKS)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 6, 6)).astype(np.uint8), np.arange(40) % 2
    np.savez(tmp_path / "data.npz", x=images, y=labels, x_test=images[:10], y_test=labels[:10])

    def invoke(source, *arguments):
        (tmp_path / "my_relu.py").write_text(source)
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return invoke


BENCH = ("bench", "my_relu.py", "--case", "lenet-r1", "--budget", "0.02")
SPEC = "conv 2 3x3 | relu | dense 2"
TRAIN = ("train", "--data", "data.npz", "--model", SPEC, "--epochs", "1", "--kernels", "my_relu.py", "--out", "run")
UNCHECKED = (*TRAIN, "--no-check")


def test_bench_times_it_beside_the_built_in_ones(call):
    code, out, _ = call(RIGHT, *BENCH, "--json", "-")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert [row["implementation"] for row in rows] == ["relu_cpu", "my_relu"]
    assert all(row["verified"] and row["median_ms"] > 0 for row in rows)


def test_bench_never_times_a_wrong_one(call):
    code, out, _ = call(WRONG, *BENCH)
    assert code == 1
    assert "my_relu is wrong on lenet-r1, not timed: y[" in out


def test_train_checks_it_first(call, tmp_path):
    code, out, _ = call(RIGHT, *TRAIN)
    assert code == 0
    assert out.startswith("my_relu passes the check: 200 cases, error / bound exact\n")
    code, out, err = call(WRONG, *TRAIN[:-1], "other")
    assert code == 1
    assert "my_relu on cpu, float32: y[" in out
    assert "replay    workbench check my_relu.py:my_relu --device cpu --replay" in out
    assert err.splitlines()[-1].endswith("my_relu fails the check, nothing was trained; --no-check trains all the same")
    assert not (tmp_path / "other").exists()


LEFT = "the weights leave those of the built-in run by more than rounding explains in step 1: my_relu in layer 2 (relu), y,"


def test_train_with_a_wrong_one_unchecked(call, tmp_path):
    code, out, _ = call(WRONG, *UNCHECKED)
    assert code == 0
    assert LEFT in out
    rows = [line.split() for line in out.splitlines()]
    assert ["your", "kernels", "built-in"] in rows
    assert "difference of the weights after the last epoch: " in out
    left = json.loads((tmp_path / "run" / "run.json").read_text())["beside"]["left"]
    assert left == {"step": 1, "layer": "layer 2 (relu)", "kernel": "my_relu", "result": "y", "share_of_bound": "inf"}
    code, out, _ = call(WRONG, "eval", "run")
    assert code == 0


def test_train_with_one_that_diverges(call):
    code, out, err = call(RELU.format(value="x.flat[i] * np.float32(1e38) * np.float32(1e38)"), *UNCHECKED)
    assert code == 1
    assert LEFT in out
    assert "training diverged: epoch 1, step 1: the loss is nan" in err


def test_train_uses_it_and_says_so(call, tmp_path):
    code, out, _ = call(RIGHT, *UNCHECKED)
    assert code == 0
    # to compile: a batch, a sample; then a batch, the test set; the layers are judged before and after
    assert "my_relu ran 6 times in the place of relu" in out
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["config"]["kernels"] == [str((tmp_path / "my_relu.py").resolve())]


def test_train_gives_the_same_network_with_it(call, tmp_path):
    call(RIGHT, *UNCHECKED)
    mine = (tmp_path / "run" / "model.safetensors").read_bytes()
    code, _, _ = call(RIGHT, *TRAIN[: TRAIN.index("--kernels")], "--out", "other", "--executor", "ops")
    assert code == 0
    assert (tmp_path / "other" / "model.safetensors").read_bytes() == mine


def test_train_says_that_it_never_ran(call):
    code, out, _ = call(RIGHT, *(word if word != SPEC else "dense 2" for word in UNCHECKED))
    assert code == 0
    assert "my_relu never ran: no layer of the network is a relu" in out


def test_train_with_one_that_raises(call):
    code, _, err = call(RAISING, *UNCHECKED)
    assert code == 1
    assert "my_relu raises RuntimeError: no luck; try: workbench check my_relu.py" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(
            [*TRAIN, "--kernels", "my_rel.py"], "my_rel.py: no such file; did you mean my_relu.py?", id="no file"
        ),
        pytest.param([*TRAIN[:7], "--no-check"], "--no-check: is for your own kernels", id="nothing to check"),
        pytest.param([*TRAIN, "--device", "cuda"], "my_relu.py: has no kernel for cuda", id="other device"),
        pytest.param([*BENCH, "--device", "cuda"], "my_relu.py: has no kernel for cuda", id="bench, other device"),
        pytest.param(["bench", "my_relu.py:mine"], "has no mine", id="no such kernel"),
    ],
)
def test_misuse(call, arguments, words):
    code, _, err = call(RIGHT, *arguments)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
