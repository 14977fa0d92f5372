"""The curves of trainings: which values are drawn, where, in which colours."""

from itertools import combinations

import numpy as np
import pytest

from workbench.pictures import style
from workbench.showing.curves import (
    MARKS,
    PARTS,
    comparison_rows,
    draw_comparison,
    draw_history,
    history_rows,
)
from workbench.showing.plot import KEY_H, MOST_MARKED, Curve, Row, plot

RNG = np.random.default_rng(0)


def record(count=5, validation=False, **changes):
    """The record of a run with drawn values."""
    epochs = []
    for number in range(1, count + 1):
        epoch = {"epoch": number, "learning_rate": 0.05 / number, "seconds": 1.0, "eval_seconds": 0.1}
        for part in ("train", "test", "validation")[: 3 if validation else 2]:
            epoch |= {f"{part}_loss": float(RNG.random() + 0.1), f"{part}_accuracy": float(RNG.random())}
        epochs.append(epoch)
    config = {"model": "lenet5", "data": "/data/digits.npz", "epochs": count}
    return {"config": config, "epochs": epochs, "model": None, "stopped": None} | changes


def words(sheet):
    return " ".join(label.text for label in sheet.labels)


@pytest.mark.parametrize("validation", [False, True])
def test_every_value_of_a_run_is_on_its_curve(validation):
    run = record(validation=validation)
    loss, accuracy, rate = history_rows(run)
    parts = [part for part in PARTS if validation or part != "validation"]
    for row in (loss, accuracy):
        ((title, curves),) = row.panels.items()
        assert title == row.of
        for part, curve in zip(parts, curves, strict=True):
            assert curve.label.startswith(f"{part}: loss {run['epochs'][-1][f'{part}_loss']:.4f}, accuracy ")
            assert curve.epochs == [1, 2, 3, 4, 5]
            assert curve.values == [epoch[f"{part}_{row.of}"] for epoch in run["epochs"]]
            assert (curve.colour, curve.mark, curve.dashes) == PARTS[part]
    ((curve,),) = rate.panels.values()
    assert curve.values == [epoch["learning_rate"] for epoch in run["epochs"]]


def test_runs_are_compared_part_by_part():
    runs = {"a": record(), "b": record(3, validation=True), "c": record(1)}
    loss, accuracy, rate = comparison_rows(runs)
    assert list(accuracy.panels) == ["train accuracy", "validation accuracy", "test accuracy"]
    for (title, curves), part in zip(loss.panels.items(), PARTS, strict=True):
        assert title == f"{part} loss"
        for (name, run), curve in zip(runs.items(), curves, strict=True):
            assert curve.label == name
            assert curve.values == [epoch[title.replace(" ", "_")] for epoch in run["epochs"] if part in str(epoch)]
    looks = [(curve.colour, curve.mark) for curve in loss.panels["train loss"]]
    for row in (loss, accuracy, rate):
        for curves in row.panels.values():
            assert [(curve.colour, curve.mark) for curve in curves] == looks


def test_a_picture_says_what_is_seen():
    told = words(draw_history(record(2, config={"model": "lenet5", "data": "/data/digits.npz", "epochs": 9})))
    assert told.startswith("lenet5 on digits.npz: loss and accuracy, epoch by epoch")
    assert "After 2 epochs of 9." in told
    assert "dotted line" not in told
    chosen = {"epoch": 2, "chosen_by": "validation accuracy", "averaged": False}
    told = words(draw_history(record(3, validation=True, model=chosen, stopped="patience")))
    assert "After 3 epochs; the others were left out" in told
    assert "The dotted line is the epoch in model.safetensors" in told
    told = words(draw_history(record(1, config={"model": "dense 3 | " * 40 + "dense 2", "data": "\x1b[31mred"})))
    assert told.startswith("a network on")
    assert "\x1b" not in told
    assert words(draw_comparison({"a": record(), "b": record(2)})).startswith("2 runs compared: loss and accuracy")


def heights(pixels, colour):
    """The mean height of a colour in each column of pixels that has it, upwards."""
    found = (np.abs(pixels.astype(int) - colour).sum(axis=-1) < 12)[KEY_H:]
    rows = np.arange(len(found))[:, np.newaxis]
    columns = found.any(axis=0)
    return -((found * rows).sum(axis=0)[columns] / found.sum(axis=0)[columns])


SPANS = {
    "linear": np.linspace(0.5, 0.9, 30),
    "logarithmic": 1 - np.geomspace(0.5, 1e-4, 30),
    "perfect": np.append(1 - np.geomspace(0.5, 1e-3, 29), 1.0),
    "all perfect": np.ones(30),
    "none right": np.zeros(30),
}


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("of", ["accuracy", "loss"])
def test_what_grows_rises(of, span):
    """Whatever the scale, a larger value is drawn above a smaller one; equal ones are at the same height."""
    values = SPANS[span] if of == "accuracy" else 1 - SPANS[span]
    curve = Curve(label="", epochs=range(1, 31), values=values.tolist(), colour=style.TEST, mark="")
    pixels = plot([Row(of=of, panels={"": [curve]}, height=400)], 600, key_columns=1)
    drawn = heights(pixels, style.TEST)
    assert len(drawn) > 400  # of 600 columns; the axis takes some
    steps = np.diff(drawn) if of == "accuracy" else -np.diff(drawn)
    if len(set(values)) == 1:
        assert not steps.any()
    else:
        assert steps.min() >= -0.5
        assert abs(drawn[-1] - drawn[0]) > 250


def test_only_short_curves_have_marks():
    def drawn(count):
        curve = Curve(label="", epochs=range(1, count + 1), values=[0.5] * count, colour=style.TEST, mark="o")
        pixels = plot([Row(of="accuracy", panels={"": [curve]}, height=200)], 600, key_columns=1)
        found = (np.abs(pixels.astype(int) - style.TEST).sum(axis=-1) < 12)[KEY_H:]
        return found.sum(axis=0).max()

    assert drawn(MOST_MARKED) > 2 * drawn(MOST_MARKED + 1)


@pytest.mark.parametrize("count", [1, 300])
def test_any_number_of_epochs_fits(count):
    runs = {f"run {number}": record(count) for number in range(len(MARKS) - 1)}
    for sheet in (
        draw_history(record(count, validation=True)),
        draw_comparison(runs | {"a" * 300: record(1, validation=True)}),
    ):
        (tile,) = sheet.tiles
        assert tile.pixels.shape[1] + tile.x <= sheet.width
        assert (tile.pixels[:, -1] == style.PAPER).all()  # nothing is cut off at the right
        assert (tile.pixels[-1] == style.PAPER).all()


def test_the_users_matplotlib_settings_change_nothing(monkeypatch):
    import matplotlib

    run = record()
    plain = draw_history(run).tiles[0].pixels
    monkeypatch.setitem(matplotlib.rcParams, "axes.facecolor", "black")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30.0)
    np.testing.assert_array_equal(draw_history(run).tiles[0].pixels, plain)
    assert matplotlib.rcParams["font.size"] == 30.0


DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""How linear sRGB is seen, by G. Machado, M. Oliveira and L. Fernandes (IEEE TVCG 15, 2009)."""

XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])


def linear(colour):
    parts = np.array(colour) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(colour, deficiency):
    """CIELAB of a colour as it is seen."""
    seen = np.clip(np.array(DEFICIENCIES[deficiency]) @ linear(colour), 0, 1)
    x, y, z = (np.cbrt(part) if part > 0.008856 else 7.787 * part + 16 / 116 for part in XYZ @ seen / XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("colours", [style.SERIES, (style.TRAIN, style.VALIDATION, style.TEST)], ids=["runs", "parts"])
def test_curves_are_told_apart_without_seeing_all_colours(colours, deficiency):
    """A difference of 2.3 in CIELAB can just be seen."""
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(lab(one, deficiency) - lab(other, deficiency)) > 15, (one, other)
    for colour in colours:
        assert 1.05 / (XYZ[1] @ linear(colour) + 0.05) >= 3  # the contrast with the paper
    assert len(style.SERIES) == len(set(MARKS))
