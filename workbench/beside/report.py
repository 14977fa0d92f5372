"""The comparison of a training with users' kernels and the built-in one, as tables and sentences."""

from statistics import median
from typing import Any, Literal

from workbench.checking.check_report import share
from workbench.network.record import BesideRecord, EpochRecord, ErrorsRecord, RunRecord

Accuracy = Literal["train_accuracy", "validation_accuracy", "test_accuracy"]

ACCURACIES: tuple[Accuracy, ...] = ("train_accuracy", "validation_accuracy", "test_accuracy")

Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def results(record: RunRecord) -> Table:
    """Return the columns and lines of a table: accuracies and seconds, with the user's kernels and the built-in ones."""
    yours, built_in = record["epochs"], record["beside"]["epochs"]
    lines = []
    for key in ACCURACIES:
        if any(key in epoch for epoch in (*yours, *built_in)):
            lines.append((key.replace("_", " "), *(_accuracy(epochs, key) for epochs in (yours, built_in))))
    lines.append(("seconds per epoch", *map(_seconds, (yours, built_in))))
    return ("", "your kernels", "built-in"), lines


def _accuracy(epochs: list[EpochRecord], key: Accuracy) -> str:
    value = epochs[-1].get(key) if epochs else None
    return "-" if value is None else f"{value:.2%}"


def _seconds(epochs: list[EpochRecord]) -> str:
    return f"{median(epoch['seconds'] for epoch in epochs):.3g}" if epochs else "-"


def errors(record: BesideRecord) -> Table:
    """Return the columns and lines of a table: errors as shares of the bounds, by layer, at step 1 and at the end.

    What is exact at all of them has no line.
    """
    moments = [each for each in (record["first"], record["last"]) if each is not None]
    columns = ["error / bound", "of"]
    for each in moments:
        columns += [f"step {each['step']:,}", "built-in"]
    lines = []
    names: tuple[Literal["output", "gradient"], ...] = ("output", "gradient")
    for place, layer in enumerate(moments[0]["yours"] if moments else ()):
        for name in names:
            cells = [cell for each in moments for cell in _cells(each, place, name)]
            if {*cells} - {"exact", "-"}:
                lines.append((layer["layer"], name, *cells))
    return tuple(columns), lines


def _cells(moment: ErrorsRecord, place: int, name: Literal["output", "gradient"]) -> tuple[str, str]:
    built_in = moment["built_in"]
    return share(moment["yours"][place][name]), "-" if built_in is None else share(built_in[place][name])


def verdict(record: BesideRecord) -> list[str]:
    """Return where the weights leave those of the built-in run by more than rounding explains, and how far they differ."""
    left, lines = record["left"], []
    if left is not None:
        away = share(left["share_of_bound"])
        lines.append(
            f"the weights leave those of the built-in run by more than rounding explains in step {left['step']:,}: "
            f"{left['kernel']} in {left['layer']}, {left['result']}, error / bound {away}"
        )
    elif record["compared_steps"]:
        lines.append(
            f"in {record['compared_steps']:,} steps the weights never leave those of the built-in run by more than rounding "
            f"explains: the results of your kernels are within {record['worst_share']:.3g} of that"
        )
    if record["weights_difference"] is not None:
        lines.append(
            f"difference of the weights after the last epoch: {record['weights_difference']:.2g} of their size"
        )
    if record["diverged"] is not None:
        lines.append(f"the built-in run diverged: {record['diverged']}")
    return lines
