"""The curves of a training as a picture: loss, accuracy and learning rate over the epochs, of one run or of several."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from workbench.network.presets import PRESETS
from workbench.network.record import EpochRecord, RunRecord
from workbench.pictures.sheet import Sheet, cut
from workbench.pictures.style import RATE, SERIES, TEST, TEXT, TRAIN, VALIDATION, Colour
from workbench.showing.parts import INSIDE, MARGIN, head
from workbench.showing.plot import LOGARITHMIC, Curve, Row, plot
from workbench.system.numbers import plural
from workbench.system.terminal import one_line

PARTS: Mapping[str, tuple[Colour, str, str]] = {
    "train": (TRAIN, "o", "--"),
    "validation": (VALIDATION, "s", ":"),
    "test": (TEST, "D", "-"),
}
"""The parts of the data, with the colour, the mark and the dashes of their curves."""

MARKS = "oDs^vP*X"
"""The marks of runs that are compared: one for each of SERIES."""

PANEL_H, RATE_H = 400, 270
"""The height of a panel, and of that of the learning rates, in pixels."""

_MOST_KEYS = 3
"""The most names of runs side by side."""

_SCALES = (
    f"Losses, and shares of errors, have a logarithmic scale if they differ by more than a factor of {LOGARITHMIC:g}."
)


def draw_history(record: RunRecord) -> Sheet:
    """Draw loss, accuracy and learning rate of a run, which has at least one epoch."""
    sheet, y = head(f"{_network(record)}: loss and accuracy, epoch by epoch", [_words(record)])
    sheet.paste(MARGIN, y + 16, plot(history_rows(record), INSIDE, key_columns=len(PARTS), marked=_kept(record)))
    sheet.height += MARGIN
    return sheet


def history_rows(record: RunRecord) -> list[Row]:
    """Return the curves of a run, which has at least one epoch."""
    epochs, last = record["epochs"], record["epochs"][-1]

    def row(what: Literal["loss", "accuracy"]) -> Row:
        curves = []
        for part in _parts([record]):
            loss, accuracy = last[f"{part}_loss"], last[f"{part}_accuracy"]  # type: ignore[literal-required]
            label = f"{part}: loss {loss:.4f}, accuracy {accuracy:.2%}"
            curves.append(_curve(epochs, f"{part}_{what}", label, *PARTS[part]))
        return Row(of=what, panels={what: curves}, height=PANEL_H)

    return [row("loss"), row("accuracy"), _rates([_curve(epochs, "learning_rate", "", RATE, "o")])]


def draw_comparison(runs: Mapping[str, RunRecord]) -> Sheet:
    """Draw the curves of runs by name, each of which has at least one epoch; there are as many as SERIES at most."""
    sheet, y = head(
        f"{plural(len(runs), 'run')} compared: loss and accuracy, epoch by epoch",
        [f"A run has the same colour and the same mark everywhere. Panels side by side have one scale. {_SCALES}"],
    )
    sheet.paste(MARGIN, y + 16, plot(comparison_rows(runs), INSIDE, key_columns=_columns(runs)))
    sheet.height += MARGIN
    return sheet


def comparison_rows(runs: Mapping[str, RunRecord]) -> list[Row]:
    """Return the curves of runs by name, side by side for the parts of the data."""
    labels = [cut(one_line(name), INSIDE / _columns(runs) - 160, TEXT) for name in runs]
    looks = list(zip(SERIES, MARKS, strict=True))[: len(runs)]

    def curves(name: str) -> list[Curve]:
        return [
            _curve(run["epochs"], name, label, *look)
            for run, label, look in zip(runs.values(), labels, looks, strict=True)
        ]

    def row(what: Literal["loss", "accuracy"]) -> Row:
        panels = {f"{part} {what}": curves(f"{part}_{what}") for part in _parts(runs.values())}
        return Row(of=what, panels=panels, height=PANEL_H)

    return [row("loss"), row("accuracy"), _rates(curves("learning_rate"))]


def _columns(runs: Mapping[str, RunRecord]) -> int:
    return min(len(runs), _MOST_KEYS)


def _parts(runs: Collection[RunRecord]) -> list[str]:
    """Return the parts of the data that some run has been evaluated on."""
    return [part for part in PARTS if any(f"{part}_loss" in run["epochs"][-1] for run in runs)]


def _rates(curves: Sequence[Curve]) -> Row:
    return Row(of="rate", panels={"learning rate, at the end of an epoch": curves}, height=RATE_H)


def _network(record: RunRecord) -> str:
    """Return which network was trained on which data, in a few words."""
    config = record["config"]
    model = config["model"] if config["model"] in PRESETS else "a network"
    return f"{model} on {Path(config['data']).name}"


def _words(record: RunRecord) -> str:
    epochs, planned = len(record["epochs"]), record["config"].get("epochs")
    words = f"After {plural(epochs, 'epoch')}" + (f" of {planned:,}" if planned and planned > epochs else "")
    words += "; the others were left out, for lack of progress. " if record.get("stopped") else ". "
    words += "A train value is the mean over the steps of an epoch; the others are those of its end. "
    if _kept(record) is not None:
        words += "The dotted line is the epoch in model.safetensors, the best on the validation images. "
    return words + _SCALES


def _kept(record: RunRecord) -> int | None:
    """Return the epoch that the validation has chosen."""
    model = record.get("model")
    return model["epoch"] if model and model["chosen_by"] == "validation accuracy" else None


def _curve(epochs: Sequence[EpochRecord], name: str, label: str, colour: Colour, mark: str, dashes: str = "-") -> Curve:
    """Return the curve of a value of the epochs that have it."""
    found = [epoch for epoch in epochs if name in epoch]
    return Curve(
        label=label,
        epochs=[epoch["epoch"] for epoch in found],
        values=[epoch[name] for epoch in found],  # type: ignore[literal-required]
        colour=colour,
        mark=mark,
        dashes=dashes,
    )
