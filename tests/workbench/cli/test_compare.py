"""The command compare: which settings differ, the last and the best epochs, and the picture."""

import json
import shutil

import pytest
from PIL import Image


@pytest.fixture
def variant(trained, tmp_path):
    """A function that copies the record of the trained run, with other settings, epochs or fields; it returns the folder."""

    def make(name, *, config=(), epochs=40, **fields):
        folder = tmp_path / name
        folder.mkdir()
        record = json.loads((trained / "run.json").read_text()) | fields
        record["config"] |= dict(config)
        record["epochs"] = record["epochs"][:epochs]
        (folder / "run.json").write_text(json.dumps(record))
        return folder

    return make


def values(line):
    return line.split()


def test_the_settings_that_differ_and_no_others(call, trained, variant, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    variant("b", config={"lr": 0.1, "nesterov": True, "image_size": [24, 20]})
    variant("c", config={"data": "/photos", "patience": 3, "validation": 0.1})
    shutil.copytree(trained, "a")
    code, out, err = call("compare", "a", "b", "c", "--json", "compare.json")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "settings that differ"
    assert values(lines[1]) == ["run", "data", "lr", "nesterov", "validation", "patience", "image-size"]
    rows = {name: rest for name, *rest in map(values, lines[2:5])}
    data = json.loads((trained / "run.json").read_text())["config"]["data"]
    assert rows["b"][1:] == ["0.1", "true", "0", "-", "24x20"]
    assert rows["c"] == ["/photos", "0.05", "false", "0.1", "3", "20x20"]
    report = json.loads((tmp_path / "compare.json").read_text())
    assert report["runs"][0]["settings"] == {
        **{"data": data, "lr": 0.05, "nesterov": False, "validation": 0.0, "patience": None, "image-size": [20, 20]}
    }


def test_runs_of_the_same_settings_may_be_of_other_machines(call, variant):
    assert call("compare", variant("a"), variant("b"))[1].startswith("the settings are the same\n")
    versions = {"numba": "0.1.2"}
    out = call("compare", variant("c", versions=versions, machine={"cpu": "x"}), variant("d", machine={"cpu": "y"}))[1]
    assert "processor" in out
    assert "numba version" in out
    assert "0.1.2" in out


def test_long_settings_are_shown_where_they_differ(call, variant):
    shared = "conv 6 5x5 pad=2 | relu | maxpool 2 | conv 16 5x5 | relu"
    first, second = (
        variant("a", config={"model": f"{shared} | dense 4"}),
        variant("b", config={"model": f"{shared} | maxpool 2 | dense 120 | relu | dense 84 | relu | dense 10"}),
    )
    lines = call("compare", first, second)[1].splitlines()
    assert lines[2].endswith("  ... dense 4")
    assert lines[3].endswith("  ... maxpool 2 | dense 120 | relu...")


def test_the_last_and_the_best_epoch(call, trained, variant):
    record = json.loads((trained / "run.json").read_text())
    epochs = [
        epoch | {"test_accuracy": accuracy, "test_loss": loss, "seconds": 2.0}
        for epoch, accuracy, loss in zip(
            record["epochs"], (0.5, 0.875, 0.875, 0.625), (1.0, 0.25, 0.125, 0.5), strict=False
        )
    ]
    validated = [
        epoch | {"validation_accuracy": accuracy, "validation_loss": 0.75}
        for epoch, accuracy in zip(epochs, (0.25, 1.0, 0.5, 1.0), strict=True)
    ]
    first, second = variant("a", epochs=None), variant("b")
    for folder, changed in ((first, epochs), (second, validated)):
        (folder / "run.json").write_text(json.dumps(record | {"epochs": changed}))
    code, out, _ = call("compare", first, second, "--json", first / "compare.json")
    assert code == 0
    last, best = (part.splitlines() for part in out.split("\n\n")[1:])
    train = f"{epochs[3]['train_loss']:.4f}", f"{epochs[3]['train_accuracy']:.2%}"
    assert values(last[2]) == [str(first), "4", "of", "40", *train, "-", "-", "0.5000", "62.50%", "2", "s"]
    assert values(last[3])[6:] == ["0.7500", "100.00%", "0.5000", "62.50%", "2", "s"]
    assert values(best[2])[:2] + values(best[2])[-3:] == [str(first), "3", "0.1250", "87.50%", "test"]
    assert values(best[3])[:2] + values(best[3])[-3:] == [str(second), "2", "0.2500", "87.50%", "validation"]
    one, other = json.loads((first / "compare.json").read_text())["runs"]
    assert (one["run"], one["epochs"], one["last"], one["best"]) == (str(first), 40, epochs[3], epochs[2])
    assert (other["best"]["epoch"], other["best_by"], other["seconds"]) == (2, "validation accuracy", 2.0)


def test_the_curves_in_one_picture(call, variant, tmp_path):
    picture = tmp_path / "curves.png"
    code, out, _ = call("compare", variant("a"), variant("b", epochs=1), "-o", picture)
    assert code == 0
    with Image.open(picture) as drawn:
        assert out.splitlines()[-1] == f"wrote {picture}: {drawn.width} wide, {drawn.height} high"
    code, out, err = call("compare", tmp_path / "a", tmp_path / "b", "-o", picture, "--json", "-")
    assert (code, len(json.loads(out)["runs"])) == (0, 2)
    assert err.startswith("wrote ")


def test_what_is_refused_in_one_line(call, refused, variant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "abcdefghi":
        variant(name)
    variant("begun", epochs=0)
    refused(["compare", "a"], "a alone; name two runs or more")
    refused(["compare"], "Missing argument")
    refused(["compare", "a", "b", "../" + tmp_path.name + "/a"], "named twice")
    refused(["compare", "a", "nowhere"], "nowhere: no such folder")
    refused(["compare", "a", "x" * 5000], "no such folder")
    refused(["compare", "a", tmp_path], "run.json: no such file")
    refused(["compare", "a", "begun"], "begun/run.json: no epoch is finished", "workbench train --resume begun")
    refused(["compare", "a", "b", "-o", "curves.jpg"], "name it .png")
    refused(["compare", *"abcdefghi", "-o", "curves.png"], "9 runs; a picture shows 8 at most")
    assert call("compare", *"abcdefghi")[0] == 0
    (tmp_path / "b" / "run.json").write_text("{")
    refused(["compare", "a", "b", "-o", "curves.png"], "b/run.json: damaged")
    assert not (tmp_path / "curves.png").exists()
