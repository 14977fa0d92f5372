"""``workbench train``."""

from math import ceil
from pathlib import Path
from shlex import quote
from typing import Any

import click
from click.core import ParameterSource

from workbench.cli.common import finite, show_notes, size_pair
from workbench.system.errors import InputError, shortened
from workbench.system.terminal import print_line
from workbench.target.command_device import DEVICES, TIMED

MOST_SEED = 2**63 - 1

MOST_LINES = 100
"""How many epochs are printed, about."""


def image_size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read HxW or a single number."""
    if value is None:
        return None
    pair = size_pair(value)
    if pair is None or not all(0 < side <= 4096 for side in pair):
        raise click.BadParameter(
            f"{shortened(value)!r} is not a size; give HEIGHTxWIDTH, from 1 to 4096 pixels, such as 32x32"
        )
    return pair


@click.command(
    epilog='Examples: workbench train;  workbench train --model "conv 8 3x3 pad=1 | relu | maxpool 2 | dense 10" '
    "--epochs 2;  workbench train --data photos/ --image-size 32 --channels rgb"
)
@click.option("--model", default="lenet5", show_default=True, help="lenet5, lenet-article, or a layer spec.")
@click.option(
    "--data", default="mnist", show_default=True, help="mnist, a folder of images, a folder of IDX files, or an .npz."
)
@click.option(
    "--epochs", type=click.IntRange(min=1), show_default="5; more where they have fewer than 500 steps in all"
)
@click.option("--batch-size", type=click.IntRange(min=1), show_default="64; all images if there are fewer")
@click.option("--optimizer", type=click.Choice(["sgd", "adam"]), default="sgd", show_default=True)
@click.option(
    "--lr",
    callback=finite,
    type=click.FloatRange(min=0, min_open=True),
    help="Learning rate; default 0.05 for sgd, 0.001 for adam.",
)
@click.option(
    "--momentum",
    callback=finite,
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.9,
    show_default=True,
    help="For sgd.",
)
@click.option(
    "--seed", type=click.IntRange(min=0, max=MOST_SEED), default=0, show_default=True, help="Same seed, same bits."
)
@click.option("--image-size", callback=image_size, metavar="HxW", help="Resize images; default 28x28 for presets.")
@click.option("--channels", type=click.Choice(["grey", "rgb"]), default="grey", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Default: all cores.")
@click.option("--device", type=click.Choice([each.name for each in TIMED]), default="cpu", show_default=True)
@click.option(
    "--executor",
    type=click.Choice(["auto", "fused", "ops"]),
    default="auto",
    show_default=True,
    help="fused: the whole network in one compiled step; ops: operation by operation; auto: fused where it can run.",
)
@click.option(
    "--kernels",
    metavar="FILE.py[:NAME]",
    multiple=True,
    help="Your kernels, decorated with @implements, instead of the built-in ones; can be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default runs/<model>-<data>-<n>.")
def train(threads: int | None, channels: str, **options: Any) -> None:
    """Assemble a network, train it, and keep the result.

    Writes model.safetensors (PyTorch loads it as it is) and run.json after every epoch. The exit code is 1 if the training
    diverges: its loss is no number, or far above chance. The last epoch before is kept.
    """
    import numba

    from workbench.cli.progress import epoch_bar
    from workbench.network.checkpoint import MODEL, RECORD
    from workbench.network.schedule import EPOCHS, steps_of, warning_of
    from workbench.network.train import TrainRequest, run, training
    from workbench.system import machine, render
    from workbench.system.progress import compile_notices
    from workbench.target.substitute import Substitutes

    context = click.get_current_context()
    if options["optimizer"] != "sgd" and context.get_parameter_source("momentum") is ParameterSource.COMMANDLINE:
        raise InputError(f"--momentum: is for sgd; leave it out with --optimizer {options['optimizer']}")
    machine.use_threads(threads)
    request = TrainRequest(channels={"grey": 1, "rgb": 3}[channels], **options)
    substitutes = Substitutes(request.kernels, DEVICES[request.device])
    with training(request) as prepared:
        dataset, count = prepared.dataset, numba.get_num_threads()
        samples = len(dataset.train_labels)
        print_line(
            f"{request.model}: {prepared.parameters.flat.size:,} parameters; {request.data}: {samples:,} training and "
            f"{len(dataset.test_labels):,} test images {'x'.join(map(str, prepared.network.input_shape))}, "
            f"{len(dataset.classes)} classes"
        )
        show_notes(dataset.notes)
        print_line(
            f"executor {prepared.executor_name} ({prepared.reason}) on {request.device}, "
            f"{count} thread{'' if count == 1 else 's'}, into {prepared.folder}"
        )
        steps = steps_of(samples, prepared.batch_size)
        if request.epochs is None and prepared.epochs > EPOCHS:
            print_line(
                f"{prepared.epochs} epochs, because an epoch has only {steps} step{'' if steps == 1 else 's'}; "
                "--epochs changes it"
            )
        every = ceil(prepared.epochs / MOST_LINES)
        if every > 1:
            print_line(f"one epoch in {every} is printed, and the first and the last")
        with epoch_bar(render.message_console(), samples) as bar, compile_notices(bar.console):
            for epoch in run(prepared, bar.step):
                if epoch.epoch not in (1, prepared.epochs) and epoch.epoch % every:
                    continue
                print_line(
                    f"epoch {epoch.epoch}/{prepared.epochs}  train loss {epoch.train_loss:.4f} "
                    f"accuracy {epoch.train_accuracy:.2%}  test loss {epoch.test_loss:.4f} "
                    f"accuracy {epoch.test_accuracy:.2%}  {epoch.seconds:.1f} s ({samples / epoch.seconds:,.0f} samples/s)"
                )
        if warning := warning_of(dataset, epoch, steps * prepared.epochs):
            print_line(f"warning: {warning}", err=True)
    for line in substitutes.summary():
        print_line(line)
    print_line(f"saved {prepared.folder / MODEL} and {RECORD}; next: workbench eval {quote(str(prepared.folder))}")
