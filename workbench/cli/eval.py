"""``workbench eval``."""

from pathlib import Path

import click

from workbench.cli.common import json_option, network_device_option, png_file, show_notes, simulated
from workbench.system.terminal import print_line


@click.command("eval", epilog="Example: workbench eval runs/lenet5-mnist-1")
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--data", help="Another data set with the same classes; default: the one it was trained on.")
@click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True, help="Which images.")
@click.option("--confusion", metavar="PNG", callback=png_file, help="Draw the confusion matrix; the errors stand out.")
@network_device_option
@json_option
def evaluate(
    run_folder: Path, data: str | None, split: str, confusion: Path | None, device: str, json_target: str | None
) -> None:
    """Evaluate a trained network: accuracy, a table per class, the confusion matrix."""
    from workbench.network.checkpoint import load
    from workbench.network.evaluate import evaluate_run
    from workbench.system import render
    from workbench.system.progress import compile_notices

    run = load(run_folder)
    with compile_notices(render.message_console()), simulated(device):
        report = evaluate_run(run, data, split, device)
    show_notes(report.notes)
    if json_target != "-":
        print_line(
            f"{run_folder} on the {split} images of {report.data}: accuracy {report.accuracy:.2%} "
            f"({report.correct:,} of {report.samples:,}), loss {report.loss:.4f}"
        )
        print_line()
        columns = ("class", "images", "recall", "precision", "F1")
        rows = [
            (each.name, each.images, f"{each.recall:.2%}", f"{each.precision:.2%}", f"{each.f1:.2%}")
            for each in report.classes
        ]
        render.print_table(columns, rows, right=columns[1:])
        print_line()
        print_line("confusion matrix: a row per true class, a column per predicted class")
        names = [each.name for each in report.classes]
        matrix = [
            (name, *(count or "." for count in counts)) for name, counts in zip(names, report.confusion, strict=True)
        ]
        render.print_table(("", *names), matrix, right=names)
    if confusion is not None:
        from workbench.showing.confusion import draw_confusion

        sheet = draw_confusion(report, f"What {run_folder.resolve().name} takes for what")
        sheet.save(confusion)
        print_line(f"wrote {confusion}: {sheet.width} wide, {sheet.height} high", err=json_target == "-")
    render.write_json({"schema": 1, **report.to_json()}, json_target)
