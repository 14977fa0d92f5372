"""``workbench predict``."""

from pathlib import Path

import click

from workbench.cli.common import json_option
from workbench.system.terminal import print_line


@click.command(epilog="Example: workbench predict runs/lenet5-mnist-1 seven.png")
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--raw", is_flag=True, help="Only resize the picture: no inverting, cropping and centring as MNIST's digits were."
)
@json_option
def predict(run_folder: Path, images: tuple[Path, ...], raw: bool, json_target: str | None) -> None:
    """Recognise pictures: the probability of every class, as bars.

    For a network trained on MNIST, or on digits drawn as MNIST's are, a picture is made to look like them: grey, light
    ink on dark, the digit scaled and centred. For others it is resized to what the network takes.
    """
    from workbench.network.checkpoint import load
    from workbench.network.predict import predict_images
    from workbench.system import render
    from workbench.system.progress import compile_notices

    run = load(run_folder)
    with compile_notices(render.message_console()):
        probabilities = predict_images(run, images, raw=raw)
    if json_target != "-":
        width = max(len(name) for name in run.classes)
        for path, shares in zip(images, probabilities, strict=True):
            best = int(shares.argmax())
            print_line(f"{path}: {run.classes[best]} ({shares[best]:.1%})")
            for name, share in zip(run.classes, shares, strict=True):
                print_line(f"  {name:>{width}}  {share:6.1%}  {render.bar(float(share))}".rstrip())
    if json_target:
        predictions = [
            {
                "image": str(path),
                "class": run.classes[int(shares.argmax())],
                "probabilities": dict(zip(run.classes, map(float, shares), strict=True)),
            }
            for path, shares in zip(images, probabilities, strict=True)
        ]
        render.write_json({"schema": 1, "predictions": predictions}, json_target)
