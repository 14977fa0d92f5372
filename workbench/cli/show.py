"""``workbench show``."""

from pathlib import Path

import click

from workbench.cli.common import png_file, show_notes
from workbench.system.terminal import print_line

EXAMPLES = """\b
Examples:
  workbench show runs/lenet5-mnist-1                          how it was trained
  workbench show runs/lenet5-mnist-1 seven.png                all layers
  workbench show runs/lenet5-mnist-1 seven.png --layer 4      one of them, large
  workbench show runs/lenet5-mnist-1 seven.png --saliency     the pixels that matter
  workbench show runs/lenet5-mnist-1 --filters                what it has learned
  workbench show runs/lenet5-mnist-1 --mistakes               what it gets wrong
"""


@click.command(epilog=EXAMPLES)
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("image", metavar="[IMAGE]", required=False, type=click.Path(path_type=Path))
@click.option("--layer", metavar="N", type=int, help="Draw only this layer, large: 0 for the picture, 1 for the first.")
@click.option(
    "--filters", is_flag=True, help="Draw the filters of the convolutions; with IMAGE, beside what they make of it."
)
@click.option("--saliency", is_flag=True, help="Draw the gradient of the score of a class over the picture.")
@click.option("--class", "target", metavar="NAME", help="The class of --saliency.  [default: the most probable]")
@click.option("--mistakes", is_flag=True, help="Draw the test images that the network gets wrong.")
@click.option("--data", help="The data of --mistakes.  [default: those it was trained on]")
@click.option(
    "--raw", is_flag=True, help="Only resize IMAGE: no inverting, cropping and centring as MNIST's digits were."
)
@click.option("-o", "--out", metavar="PNG", callback=png_file, help="The picture to write.  [default: in DIR]")
def show(
    run_folder: Path,
    image: Path | None,
    layer: int | None,
    filters: bool,
    saliency: bool,
    target: str | None,
    mistakes: bool,
    data: str | None,
    raw: bool,
    out: Path | None,
) -> None:
    """Draw what a trained network sees in a picture, layer by layer; what it has learned, and how; and what it gets wrong.

    With IMAGE alone: the picture as the network takes it, the values of every layer, and the probabilities. Without IMAGE
    and options: curve.png, loss and accuracy of every epoch and the learning rate, also of a training that was ended or
    still goes on. The pictures are PNG files.
    """
    _refuse_contradictions(
        image, {"--layer": layer is not None, "--filters": filters, "--saliency": saliency, "--mistakes": mistakes}
    )
    if target is not None and not saliency:
        raise click.UsageError("--class chooses the class of --saliency; add --saliency")
    if data is not None and not mistakes:
        raise click.UsageError("--data is for --mistakes; add --mistakes")
    if raw and image is None:
        raise click.UsageError("--raw is about IMAGE; name a picture")
    from workbench.network.checkpoint import load, read_history
    from workbench.showing.draw import ShowRequest, draw, draw_curve
    from workbench.system import render
    from workbench.system.progress import compile_notices

    if image is None and not filters and not mistakes:
        drawn = draw_curve(read_history(run_folder))
    else:
        run = load(run_folder)
        request = ShowRequest(
            image=image,
            raw=raw,
            layer=layer,
            filters=filters,
            saliency=saliency,
            target=target,
            mistakes=mistakes,
            data=data,
        )
        with compile_notices(render.message_console()):
            drawn = draw(run, request)
    show_notes(drawn.notes)
    if drawn.sheet is None:
        print_line(f"{drawn.words}; there is nothing to draw")
        return
    path = out or run_folder / drawn.name
    drawn.sheet.save(path)
    print_line(f"wrote {path}: {drawn.sheet.width} wide, {drawn.sheet.height} high; {drawn.words}")


def _refuse_contradictions(image: Path | None, given: dict[str, bool]) -> None:
    """Raise UsageError if options exclude each other, or need an image."""
    chosen = [option for option, is_given in given.items() if is_given]
    if len(chosen) > 1 and chosen != ["--layer", "--filters"]:
        raise click.UsageError(f"{chosen[0]} and {chosen[1]} are different pictures; ask for one of them")
    if image is not None and "--mistakes" in chosen:
        raise click.UsageError("--mistakes is about the test images; leave IMAGE out")
    if image is None and chosen and not {"--filters", "--mistakes"} & set(chosen):
        raise click.UsageError(f"{chosen[0]} needs an IMAGE; name a picture")
