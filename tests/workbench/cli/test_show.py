"""The command show, and the confusion matrix of eval: the pictures that are written, and what is refused."""

import json
import shutil

import pytest
from PIL import Image


@pytest.fixture
def picture(blobs):
    return blobs / "north-west" / "3.png"


def size_of(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return picture.size


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ((), "layers-3.png", "6 layers; it says north-west"),
        (("--layer", 1), "layer-1-3.png", "1 conv 4 3x3 pad=1: 4 maps of 20x20"),
        (("--layer", 0), "layer-0-3.png", "input: 1 channel of 20x20"),
        (("--saliency",), "saliency-3.png", "what speaks for north-west"),
        (("--saliency", "--class", "south-east"), "saliency-3.png", "what speaks for south-east"),
        (("--filters",), "filters-3.png", "the filters of 1 layer"),
        (("--filters", "--layer", 1), "filters-1-3.png", "the filters of 1 layer"),
    ],
)
def test_pictures_of_a_picture(call, trained, picture, tmp_path, options, name, words):
    run = shutil.copytree(trained, tmp_path / "run")
    code, out, _ = call("show", run, picture, *options)
    assert code == 0
    width, height = size_of(run / name)
    assert out.startswith(f"wrote {run / name}: {width} wide, {height} high; ")
    assert words in out


def test_filters_need_no_picture_and_out_names_the_file(call, trained, tmp_path):
    code, out, _ = call("show", trained, "--filters", "-o", tmp_path / "mine.png")
    assert code == 0
    assert out.startswith(f"wrote {tmp_path / 'mine.png'}: ")
    assert size_of(tmp_path / "mine.png")[0] == 2000


def test_mistakes_are_those_that_eval_counts(call, trained, blobs, tmp_path):
    code, out, _ = call("show", trained, "--mistakes", "-o", tmp_path / "mistakes.png")
    assert code == 0
    assert out.startswith("0 of 8 test images of ")
    assert out.rstrip().endswith("there is nothing to draw")
    assert not (tmp_path / "mistakes.png").exists()
    data = shutil.copytree(blobs, tmp_path / "mixed")
    shutil.move(data / "north-east", data / "other")
    shutil.move(data / "south-west", data / "north-east")
    shutil.move(data / "other", data / "south-west")
    code, out, _ = call("show", trained, "--mistakes", "--data", data, "-o", tmp_path / "mistakes.png")
    assert code == 0
    size_of(tmp_path / "mistakes.png")
    call("eval", trained, "--data", data, "--json", tmp_path / "eval.json")
    report = json.loads((tmp_path / "eval.json").read_text())
    wrong = report["samples"] - report["correct"]
    assert wrong >= 4
    assert f"{wrong} of {report['samples']} test images" in out


def test_a_confusion_matrix(call, trained, tmp_path):
    code, out, err = call("eval", trained, "--confusion", tmp_path / "confusion.png")
    assert (code, err) == (0, "")
    width, height = size_of(tmp_path / "confusion.png")
    assert out.splitlines()[-1] == f"wrote {tmp_path / 'confusion.png'}: {width} wide, {height} high"
    code, out, err = call("eval", trained, "--confusion", tmp_path / "confusion.png", "--json", "-")
    assert code == 0
    assert json.loads(out)["correct"] == 8
    assert err.startswith("wrote ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["{picture}", "--layer", 9], ["--layer 9: no such layer; there are input, 1 conv", "6 dense 4"]),
        (["{picture}", "--layer", -1], ["--layer -1: no such layer"]),
        (["--filters", "--layer", 2], ["--layer 2 --filters: no convolution there; there are 1 conv"]),
        (["{picture}", "--saliency", "--class", "9"], ["--class 9: no such class; there are north-east, north-west"]),
        (["{picture}", "--class", "north-east"], ["--class", "add --saliency"]),
        (["{picture}", "--filters", "--saliency"], ["--filters and --saliency are different pictures"]),
        (["{picture}", "--layer", 1, "--saliency"], ["--layer and --saliency are different pictures"]),
        (["{picture}", "--mistakes"], ["leave IMAGE out"]),
        (["--layer", 1], ["--layer needs an IMAGE"]),
        (["--saliency"], ["--saliency needs an IMAGE"]),
        (["--filters", "--raw"], ["--raw is about IMAGE"]),
        (["--filters", "--data", "mnist"], ["--data is for --mistakes"]),
        (["--mistakes", "--data", "nowhere"], ["nowhere", "no such file or folder"]),
        (["--mistakes", "--data", "mnist"], ["its classes are 0, 1", "north-east"]),
        (["nowhere.png"], ["nowhere.png", "cannot be read"]),
        (["{run}/model.safetensors"], ["not a picture"]),
        (["{picture}", "-o", "{run}"], ["pictures are PNG files"]),
        (["{picture}", "-o", "picture.jpg"], ["picture.jpg", "name it .png"]),
        (["{picture}", "-o", "nowhere/picture.png"], ["cannot be written"]),
    ],
)
def test_what_is_refused_in_one_line(refused, trained, picture, options, words):
    filled = [str(option).format(picture=picture, run=trained) for option in options]
    refused(["show", trained, *filled], *words)


def test_the_curve_is_drawn_by_train_and_by_show_alike(call, refused, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    drawn = (run / "curve.png").read_bytes()
    (run / "curve.png").unlink()
    code, out, _ = call("show", run)
    width, height = size_of(run / "curve.png")
    assert (code, (run / "curve.png").read_bytes()) == (0, drawn)
    accuracy = json.loads((run / "run.json").read_text())["epochs"][-1]["test_accuracy"]
    words = f"40 epochs, test accuracy {accuracy:.2%}"
    assert out == f"wrote {run / 'curve.png'}: {width} wide, {height} high; {words}\n"
    for name in ("model.safetensors", "metrics.csv", "checkpoint.safetensors"):  # the record is enough
        (run / name).unlink()
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"epochs": record["epochs"][:1]}))
    code, out, _ = call("show", run, "-o", tmp_path / "mine.png")
    assert code == 0
    assert "; 1 epoch of 40, test accuracy " in out
    size_of(tmp_path / "mine.png")
    (run / "run.json").write_text(json.dumps(record | {"epochs": []}))
    refused(["show", run], "run.json: no epoch is finished", f"workbench train --resume {run}")


@pytest.mark.parametrize(
    ("name", "fault", "words"),
    [
        ("workbench.showing.draw.draw_history", ValueError("no fonts"), "(no fonts)"),
        ("workbench.pictures.sheet.Sheet.save", OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_a_curve_that_cannot_be_drawn_loses_nothing(call, blobs, tmp_path, monkeypatch, name, fault, words):
    def fail(*_arguments):
        raise fault

    monkeypatch.setattr(name, fail)
    with_data = ("--data", blobs, "--model", "dense 4", "--epochs", 1, "--out", tmp_path / "run")
    code, out, err = call("train", *with_data)
    assert code == 0
    assert f"saved {tmp_path / 'run' / 'model.safetensors'} and run.json; next: " in out
    (line,) = (line for line in err.splitlines() if "curve" in line)
    assert line.startswith("note: the curve is not drawn (")
    assert words in line
    assert line.endswith(f"draw it with: workbench show {tmp_path / 'run'}")
    monkeypatch.undo()
    assert call("show", tmp_path / "run")[0] == 0


def test_matplotlib_does_not_delay_a_training(run_python):
    modules = "workbench.cli, workbench.network.train, workbench.network.resume, workbench.target.substitute"
    assert run_python(f"import sys, {modules}; print('matplotlib' in sys.modules)") == "False\n"


def test_a_folder_that_is_no_run(refused, tmp_path, picture):
    refused(["show", tmp_path, picture], "run.json", "workbench train")
    refused(["show", tmp_path / "nowhere", picture], "no such folder")


def test_data_that_are_gone(refused, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    record["config"]["data"] = str(tmp_path / "gone")
    (run / "run.json").write_text(json.dumps(record))
    refused(["show", run, "--mistakes"], "gone", "no such file or folder")


def test_a_network_without_convolutions(refused, call, blobs, tmp_path):
    with_data = ("--data", blobs, "--model", "dense 4", "--epochs", 1, "--out", tmp_path / "run")
    assert call("train", *with_data)[0] == 0
    refused(["show", tmp_path / "run", "--filters"], "--filters: the network has no convolution (dense 4)")
    code, out, _ = call("show", tmp_path / "run", blobs / "south-east" / "0.png")
    assert code == 0
    assert "1 layers" not in out
