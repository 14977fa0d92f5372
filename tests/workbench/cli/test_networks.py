"""The commands train, eval and predict: what they say about data, results and files that cannot be used."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

SMALL = ("--model", "conv 4 3x3 pad=1 | relu | maxpool 2 | dense 8 | relu | dense 4")


@pytest.fixture
def archive(tmp_path):
    """A function that writes an archive of 40 images in four classes, and returns its path."""

    def make(**changes):
        rng = np.random.default_rng(0)
        arrays = {"x": rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), "y": np.arange(40) % 4}
        path = tmp_path / "data.npz"
        np.savez(path, **(arrays | changes))
        return path

    return make


def test_train_says_what_it_skipped(call, blobs, tmp_path):
    data = shutil.copytree(blobs, tmp_path / "blobs")
    (data / "north-east" / "IMG_1.heic").write_bytes(b"1")
    code, _, err = call("train", "--data", data, *SMALL, "--epochs", 1, "--out", tmp_path / "run")
    assert code == 0
    assert err.splitlines()[0].startswith("note: skipped, no pictures (.png, ")
    assert "1 file (.heic: 1)" in err
    code, _, err = call("eval", tmp_path / "run")
    assert code == 0
    assert err.startswith("note: skipped")


def test_labels_from_1_are_said_in_one_line(call, archive, tmp_path):
    path = archive(y=np.arange(40) % 3 + 1)
    code, _, err = call("train", "--data", path, *SMALL, "--epochs", 1, "--out", tmp_path / "run")
    assert code == 0
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert notes == [
        f"note: {path}: array y: the labels start at 1, so class 0 stays empty; subtract 1 to number them from 0"
    ]


def test_labels_from_1_explain_a_class_too_many(refused, archive, tmp_path):
    path = archive(y=np.arange(40) % 4 + 1)
    words = ("gives 4, but the data has 5 classes", "the labels start at 1", "subtract 1")
    refused(["train", "--data", path, *SMALL, "--out", tmp_path / "run"], *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", ["x" * 300, "x" * 5000, "", "nowhere/", "\udcff"])
def test_paths_that_no_file_has(refused, trained, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    refused(["eval", path], "no such f" if path else "an empty text")
    refused(["predict", trained, path])
    refused(["filter", path, "--filter", "sharpen"])
    refused(["train", "--data", path])


def test_a_default_training_of_few_pictures_has_enough_steps(call, blobs, tmp_path):
    code, out, _ = call("train", "--data", blobs, *SMALL, "--out", tmp_path / "run")
    assert code == 0
    lines = out.splitlines()
    assert lines[2] == "500 epochs, because an epoch has only 1 step; --epochs changes it"
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["config"]["epochs"], record["config"]["batch_size"]) == (500, 32)
    assert record["epochs"][-1]["test_accuracy"] == 1
    assert lines[3] == "one epoch in 5 is printed, and the first and the last"
    printed = [line.split()[1] for line in lines if line.startswith("epoch ")]
    assert printed == [f"{epoch}/500" for epoch in (1, *range(5, 501, 5))]
    assert len(record["epochs"]) == 500


def test_a_training_at_chance_is_warned_of(call, blobs, tmp_path):
    options = ("--epochs", 2, "--lr", "1e-9", "--out", tmp_path / "run")
    code, out, err = call("train", "--data", blobs, *SMALL, *options)
    assert code == 0
    assert "saved" in out.splitlines()[-1]
    warning = next(line for line in err.splitlines() if line.startswith("warning: "))
    assert "no better than chance (one class for all images gives 25.00%) after 2 steps" in warning
    assert "--epochs" in warning


def test_a_training_that_goes_far_above_chance_is_a_verdict(call, blobs, tmp_path):
    options = ("--epochs", 3, "--batch-size", 4, "--lr", "50", "--executor", "ops", "--out", tmp_path / "run")
    code, out, err = call("train", "--data", blobs, *SMALL, *options)
    assert code == 1
    assert "saved" not in out
    last = err.splitlines()[-1]
    assert last.startswith("workbench: training diverged: epoch 1")
    assert "no epoch was saved" in last
    assert not (tmp_path / "run").exists()


LONG = "9" * 4301


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--batch-size", "33"], ["--batch-size 33", "larger than the 32 training images", "at most 32"]),
        (["train", "--image-size", LONG], ["--image-size", "999...", "is not a size"]),
        (["train", "--image-size", f"8x{LONG}"], ["--image-size", "is not a size"]),
        (["train", "--image-size", "٣x٣"], ["--image-size", "is not a size"]),
        (["train", "--seed", "1" + "0" * 19], ["--seed"]),
        (["train", "--seed", LONG], ["--seed", "999... is not"]),
        (["train", "--epochs", LONG], ["--epochs", "999... is not"]),
        (["train", "--batch-size", LONG], ["--batch-size"]),
        (["train", "--batch-size", "9" * 300], ["--batch-size", "larger than the 32 training images"]),
        (["train", "--threads", LONG], ["--threads"]),
        (["train", "--lr", LONG], ["--lr"]),
        (["train", "--model", f"dense {LONG} | dense 4"], ["layer 1", "4,301 digits"]),
        (["train", "--model", f"conv 4 {LONG}x3 | dense 4"], ["layer 1", "4,301 digits"]),
        (["train", "--model", "dense 999999999 | dense 4"], ["layer 1 (dense 999999999)", "parameters"]),
        (["train", "--model", "conv 99999999 1x1 | dense 4"], ["layer 1 (conv 99999999 1x1)", "values"]),
        (["train", "--model", LONG], ["--model", "999...", "neither a preset"]),
    ],
)
def test_numbers_without_end_and_batches_too_large(refused, blobs, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused([*arguments, "--data", blobs], *words)
    assert list(tmp_path.iterdir()) == []


def test_an_option_without_effect_is_refused(refused, blobs):
    refused(["train", "--data", blobs, "--optimizer", "adam", "--momentum", 0.5], "--momentum", "is for sgd", "adam")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "dense 50000 | dense 4"], ["0 GiB for 20,250,004 parameters"]),
        (["--model", "conv 9000 1x1 | maxpool 20 | dense 4"], ["4 parameters and", "samples"]),
        (["--model", "conv 900 1x1 | maxpool 20 | dense 4", "--executor", "ops"], ["and 256 samples", "smaller batch"]),
    ],
)
def test_a_network_beyond_memory(refused, blobs, trained, monkeypatch, tmp_path, options, words):
    monkeypatch.setattr("workbench.network.executor.memory_bytes", lambda: 2**28)
    monkeypatch.chdir(tmp_path)
    refused(["train", *options, "--data", blobs], "the network needs", "use smaller layers or images", *words)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("workbench.network.executor.memory_bytes", lambda: 2**10)
    refused(["predict", trained, blobs], "the network needs")
    refused(["eval", trained], "the network needs")


@pytest.mark.parametrize("name", ["pipe", "pipe.npz", "pipe.png"])
def test_a_pipe_is_no_data_anywhere(refused, trained, tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    refused(["train", "--data", path, "--out", tmp_path / "run"], str(path))
    refused(["eval", trained, "--data", path], str(path))
    refused(["predict", trained, path], f"{path}: a pipe, not a file")
    refused(["filter", path, "--filter", "sharpen"], f"{path}: a pipe, not a file")
    refused(["predict", trained, "/dev/zero"], "/dev/zero: a device, not a file")
    refused(["train", "--data", "/dev/zero", "--out", tmp_path / "run"], "/dev/zero")
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_predict_prints_a_line_for_each_of_several_pictures(call, trained, blobs):
    pictures = [blobs / "north-west" / "0.png", blobs / "south-east" / "1.png"]
    code, out, _ = call("predict", trained, *pictures)
    assert code == 0
    assert [line.partition(" (")[0] for line in out.splitlines()] == [
        f"{path}: {path.parent.name}" for path in pictures
    ]
    code, out, _ = call("predict", trained, *pictures, "--bars")
    assert len(out.splitlines()) == 2 * (1 + 4)
    code, out, _ = call("predict", trained, pictures[0])
    assert len(out.splitlines()) == 1 + 4
    code, out, _ = call("predict", trained, pictures[0], "--no-bars")
    assert len(out.splitlines()) == 1


def test_predict_recognises_the_pictures_in_folders(call, trained, blobs, tmp_path):
    data = shutil.copytree(blobs, tmp_path / "blobs")
    Image.open(data / "north-east" / "0.png").save(data / "north-east" / "10.tif")
    (data / "north-east" / "notes.txt").write_text("no picture")
    (data / "__MACOSX").mkdir()
    (data / "__MACOSX" / "1.png").write_bytes(b"1")
    code, out, err = call("predict", trained, data)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 41
    for line in lines:
        path, _, rest = line.partition(": ")
        assert rest.startswith(f"{path.split('/')[-2]} (")
    assert lines[10].startswith(f"{data / 'north-east' / '10.tif'}: ")


def test_predict_of_many_pictures_is_that_of_each(call, trained, blobs, monkeypatch):
    monkeypatch.setattr("workbench.network.predict.EVALUATION_BATCH", 7)
    _, out, _ = call("predict", trained, blobs, "--json", "-")
    predictions = json.loads(out)["predictions"]
    assert len(predictions) == 40
    for each in predictions[::9]:
        _, out, _ = call("predict", trained, each["image"], "--json", "-")
        assert json.loads(out)["predictions"][0]["probabilities"] == pytest.approx(each["probabilities"], abs=1e-5)


def test_a_bad_picture_does_not_lose_the_others(call, trained, blobs, tmp_path):
    good = blobs / "north-west" / "0.png"
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "empty").mkdir()
    code, out, err = call("predict", trained, tmp_path / "broken.png", good, tmp_path / "none.png", tmp_path / "empty")
    assert code == 2
    assert [line.partition(" (")[0] for line in out.splitlines()] == [f"{good}: north-west"]
    assert len(err.splitlines()) == 4
    for line, words in zip(
        err.splitlines(), ("broken.png: not a picture", "none.png", "empty: a folder without", "3 of 4"), strict=True
    ):
        assert words in line
    code, out, err = call("predict", trained, tmp_path / "broken.png", good, "--json", "-")
    assert code == 2
    report = json.loads(out)
    assert [each["image"] for each in report["predictions"]] == [str(good)]
    assert len(report["faults"]) == 1
    assert len(err.splitlines()) == 1


def test_a_doubtful_result_is_called_unsure(call, trained, blobs, tmp_path):
    """Of pictures that fade from one class into another, some are in doubt, those at the ends are not."""
    first, last = (
        np.asarray(Image.open(blobs / name / "0.png")).astype(float) for name in ("north-west", "south-east")
    )
    for number, share in enumerate(np.linspace(0, 1, 100)):
        Image.fromarray((first * (1 - share) + last * share).astype(np.uint8)).save(tmp_path / f"{number}.png")
    _, out, _ = call("predict", trained, tmp_path)
    _, report, _ = call("predict", trained, tmp_path, "--json", "-")
    found = json.loads(report)["predictions"]
    for line, each in zip(out.splitlines(), found, strict=True):
        best, second, *_ = sorted(each["probabilities"].values(), reverse=True)
        assert each["unsure"] == (best < 0.6 or best - second < 0.2)
        assert (", unsure: " in line) == each["unsure"]
    assert any(each["unsure"] for each in found)
    assert not found[0]["unsure"]
    assert not found[-1]["unsure"]
