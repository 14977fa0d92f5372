"""``workbench compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import json_option, png_file
from workbench.system.errors import shortened
from workbench.system.terminal import print_line

if TYPE_CHECKING:
    from workbench.network.differences import Result
    from workbench.network.record import EpochRecord

MOST_TEXT = 32
"""The most characters of a value in the table, without the dots of what is longer."""


@click.command(
    epilog="Examples: workbench compare runs/lenet5-mnist-1 runs/lenet5-mnist-2;  workbench compare runs/* -o curves.png"
)
@click.argument("run_folders", metavar="DIR DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", metavar="PNG", callback=png_file, help="Draw the curves of the runs in one picture.")
@json_option
def compare(run_folders: tuple[Path, ...], out: Path | None, json_target: str | None) -> None:
    """Compare trainings: the settings that differ, the last epoch and the best one, and the curves in one picture.

    The best epoch has the best accuracy on the validation images where there are any, else on the test images, and of equal
    ones the smallest loss. Trainings that still go on, or were ended, are compared as far as they have come.
    """
    if len(run_folders) < 2:
        raise click.UsageError(f"{run_folders[0]} alone; name two runs or more, or draw one with: workbench show DIR")
    from workbench.network.checkpoint import read_history
    from workbench.network.differences import differences, result_of
    from workbench.system import render

    records = {str(folder): read_history(folder) for folder in run_folders}
    _refuse_twice(run_folders)
    drawn = None
    if out is not None:
        from workbench.pictures.style import SERIES

        if len(records) > len(SERIES):
            raise click.UsageError(f"-o: {len(records)} runs; a picture shows {len(SERIES)} at most, leave some out")
        from workbench.showing.curves import draw_comparison

        drawn = draw_comparison(records)
        drawn.save(out)
    different = differences(list(records.values()))
    results = {name: result_of(record) for name, record in records.items()}
    if json_target != "-":
        _show_differences(list(records), different)
        _show_results(results)
    if drawn is not None:
        print_line(f"wrote {out}: {drawn.width} wide, {drawn.height} high", err=json_target == "-")
    runs = [
        {
            "run": name,
            "settings": {setting: values[place] for setting, values in different.items()},
            "epochs": result.planned,
            "last": result.last,
            "best": result.best,
            "best_by": "validation accuracy" if result.is_validated else "test accuracy",
            "seconds": result.seconds,
        }
        for place, (name, result) in enumerate(results.items())
    ]
    render.write_json({"schema": 1, "runs": runs}, json_target)


def _refuse_twice(folders: Sequence[Path]) -> None:
    known: set[Path] = set()
    for folder in folders:
        if folder.resolve() in known:
            raise click.UsageError(f"{folder}: named twice; a run is compared with others")
        known.add(folder.resolve())


def _show_differences(names: Sequence[str], different: Mapping[str, Sequence[Any]]) -> None:
    """Print the settings that differ, a column each."""
    from workbench.system import render

    if not different:
        print_line("the settings are the same")
        return
    print_line("settings that differ")
    columns = [_texts(values) for values in different.values()]
    render.print_table(("run", *different), zip(names, *columns, strict=True))


def _texts(values: Sequence[Any]) -> list[str]:
    """Return values for the table; of long ones, what they have in common at their beginnings is left out."""
    texts = [_text(value) for value in values]
    if max(map(len, texts)) > MOST_TEXT:
        words = [text.split(" ") for text in texts]
        common = next((place for place, each in enumerate(zip(*words, strict=False)) if len(set(each)) > 1), 0)
        texts = [("... " if common else "") + " ".join(each[common:]) for each in words]
    return [shortened(text, MOST_TEXT) for text in texts]


def _text(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list | tuple):
        return ("x" if isinstance(value[0], int) else ", ").join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _show_results(results: Mapping[str, Result]) -> None:
    """Print the last and the best epoch of every run."""
    from workbench.system import render

    parts = [
        part
        for part in ("train", "validation", "test")
        if any(f"{part}_loss" in result.last for result in results.values())
    ]
    columns = ("run", "epoch", *(name for part in parts for name in (f"{part} loss", "accuracy")))

    def row(name: str, epoch: EpochRecord, number: str) -> tuple[str, ...]:
        return (name, number, *(each for part in parts for each in _figures(epoch, part)))

    print_line()
    print_line("the last epoch, and the mean training time of an epoch")
    rows = []
    for name, result in results.items():
        planned = f" of {result.planned}" if result.planned else ""
        rows.append((*row(name, result.last, f"{result.last['epoch']}{planned}"), f"{result.seconds:.3g} s"))
    render.print_table((*columns, "time"), rows, right=(*columns[1:], "time"))
    print_line()
    print_line("the best epoch")
    rows = [
        (*row(name, result.best, str(result.best["epoch"])), "validation" if result.is_validated else "test")
        for name, result in results.items()
    ]
    render.print_table((*columns, "best by"), rows, right=columns[1:])


def _figures(epoch: EpochRecord, part: str) -> tuple[str, str]:
    loss, accuracy = epoch.get(f"{part}_loss"), epoch.get(f"{part}_accuracy")
    return "-" if loss is None else f"{loss:.4f}", "-" if accuracy is None else f"{accuracy:.2%}"
