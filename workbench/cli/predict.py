"""``workbench predict``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from workbench.cli.common import json_option, network_device_option, simulated
from workbench.system.errors import InputError
from workbench.system.files import is_folder
from workbench.system.terminal import print_line


@click.command(
    epilog="Examples: workbench predict runs/lenet5-mnist-1 seven.png;  workbench predict runs/photos-1 holiday/"
)
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--raw", is_flag=True, help="Only resize the picture: no inverting, cropping and centring as MNIST's digits were."
)
@click.option("--bars/--no-bars", default=None, help="The probabilities as bars; default: for a single picture.")
@network_device_option
@json_option
def predict(
    run_folder: Path, images: tuple[Path, ...], raw: bool, bars: bool | None, device: str, json_target: str | None
) -> None:
    """Recognise pictures, or the pictures in folders: the class of each, and the probability of every class, as bars.

    For a network trained on MNIST, or on digits drawn as MNIST's are, a picture is made to look like them: grey, light
    ink on dark, the digit scaled and centred. For others it is resized to what the network takes.

    A result is called unsure if its probability is low, or nearly that of another class. A picture that cannot be used is
    named on standard error; the others are still recognised, and the exit code is 2.
    """
    from workbench.network.checkpoint import load
    from workbench.network.predict import best_two, predict_pictures
    from workbench.system import render
    from workbench.system.progress import compile_notices

    run = load(run_folder)
    names = run.classes
    single = len(images) == 1 and not is_folder(images[0])
    predictions: list[dict[str, Any]] = []
    faults: list[str] = []
    with compile_notices(render.message_console()), simulated(device):
        for each in predict_pictures(run, images, raw=raw, device=device):
            if each.probabilities is None:
                faults.append(each.fault)
                continue
            shares = [float(share) for share in each.probabilities]
            best, second, is_unsure = best_two(each.probabilities)
            doubt = f", unsure: {names[second]} has {shares[second]:.1%}" if is_unsure else ""
            predictions.append(
                {
                    "image": str(each.path),
                    "class": names[best],
                    "unsure": is_unsure,
                    "probabilities": dict(zip(names, shares, strict=True)),
                }
            )
            if json_target != "-":
                print_line(f"{each.path}: {names[best]} ({shares[best]:.1%}){doubt}")
                if single if bars is None else bars:
                    _show_bars(names, shares)
    if predictions or not faults:
        render.write_json({"schema": 1, "predictions": predictions, "faults": faults}, json_target)
    if len(faults) > 1:
        for fault in faults:
            print_line(fault, err=True)
        raise InputError(
            f"{len(faults):,} of {len(faults) + len(predictions):,} pictures cannot be used, as said above"
        )
    if faults:
        raise InputError(faults[0])


def _show_bars(names: Sequence[str], shares: Sequence[float]) -> None:
    from workbench.system import render

    shown = render.table_lines(("",), [(name,) for name in names], right=("",))[1:]
    for name, share in zip(shown, shares, strict=True):
        print_line(f"  {name}  {share:6.1%}  {render.bar(share)}".rstrip())
