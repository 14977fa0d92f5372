"""``workbench train``."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from workbench.cli.common import finite, show_notes, simulated, size_pair
from workbench.system.errors import InputError, first_line, nearest, shortened
from workbench.system.terminal import print_line
from workbench.target.command_device import DEVICES, TIMED

if TYPE_CHECKING:
    from workbench.network.companion import Companion
    from workbench.network.train import Prepared
    from workbench.target.substitute import Substitutes

MOST_SEED = 2**63 - 1  # as in workbench.network.settings, which --help does not import

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


def _is_given(context: click.Context, name: str) -> bool:
    """Return whether an option stands on the command line."""
    return context.get_parameter_source(name) is not ParameterSource.DEFAULT


@click.command(
    epilog='Examples: workbench train;  workbench train --model "conv 8 3x3 pad=1 | relu | maxpool 2 | dense 10" '
    "--epochs 2;  workbench train --data photos/ --image-size 32 --channels rgb"
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="A TOML file with settings, or a run.json; options win."
)
@click.option("--model", show_default="lenet5", help="lenet5, lenet-article, or a layer spec.")
@click.option(
    "--data",
    show_default="mnist",
    help="mnist, fashion-mnist, cifar10, a folder of images, of IDX files or of .npy files, or an .npz.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), show_default="5; more where they have fewer than 500 steps in all"
)
@click.option("--batch-size", type=click.IntRange(min=1), show_default="64; all images if there are fewer")
@click.option("--optimizer", type=click.Choice(["sgd", "adam", "adamw"]), show_default="sgd")
@click.option(
    "--lr",
    callback=finite,
    type=click.FloatRange(min=0, min_open=True),
    help="Largest learning rate; default 0.05 for sgd, 0.001 for adam and adamw.",
)
@click.option(
    "--momentum",
    callback=finite,
    type=click.FloatRange(min=0, max=1, max_open=True),
    show_default="0.9",
    help="For sgd.",
)
@click.option("--nesterov/--no-nesterov", default=None, help="For sgd: Nesterov's momentum.")
@click.option(
    "--weight-decay",
    callback=finite,
    type=click.FloatRange(min=0),
    show_default="0",
    help="Factor of L2 regularization; for adamw of the decay of the weights themselves.",
)
@click.option(
    "--schedule",
    type=click.Choice(["constant", "step", "cosine", "one-cycle"]),
    show_default="one-cycle",
    help="How the learning rate changes from step to step.",
)
@click.option(
    "--warmup",
    type=click.IntRange(min=0),
    show_default="0; for one-cycle 30 % of all",
    help="The number of first steps in which the learning rate rises.",
)
@click.option(
    "--label-smoothing",
    callback=finite,
    type=click.FloatRange(min=0, max=1, max_open=True),
    show_default="0",
    help="Share of the target that all classes have in equal parts.",
)
@click.option(
    "--ema",
    callback=finite,
    type=click.FloatRange(min=0, max=1, max_open=True),
    show_default="0",
    help="Decay of averaged weights, such as 0.999, which are evaluated and kept; 0 for none.",
)
@click.option(
    "--augment",
    metavar="[STRENGTHS]",
    is_flag=False,
    flag_value="default",
    help="Shift, turn, scale and bend training images at random: shift=2,rotate=10,scale=0.1,elastic=1 unless given; flip "
    "mirrors half of them.",
)
@click.option(
    "--validation",
    metavar="FRACTION",
    callback=finite,
    type=click.FloatRange(min=0, max=1, max_open=True),
    show_default="0",
    help="Hold out a share of the training images of every class; the best epoch by them is kept.",
)
@click.option(
    "--patience", type=click.IntRange(min=1), help="With --validation: end after so many epochs without a better one."
)
@click.option("--seed", type=click.IntRange(min=0, max=MOST_SEED), show_default="0", help="Same seed, same bits.")
@click.option("--image-size", callback=image_size, metavar="HxW", help="Resize images; default 28x28 for presets.")
@click.option("--channels", type=click.Choice(["grey", "rgb"]), show_default="grey")
@click.option("--threads", type=click.IntRange(min=1), help="Default: all cores.")
@click.option("--device", type=click.Choice([each.name for each in TIMED]), show_default="cpu")
@click.option(
    "--executor",
    type=click.Choice(["auto", "fused", "ops", "graph", "persistent"]),
    show_default="auto",
    help="fused: whole steps in one compiled call, on the CPU; graph, persistent: the same on a CUDA device, as a CUDA "
    "graph or one kernel for many steps; ops: operation by operation; auto: the fastest that can run.",
)
@click.option(
    "--kernels",
    metavar="FILE.py[:NAME]",
    multiple=True,
    help="Your kernels, decorated with @implements, instead of the built-in ones; can be repeated. They are checked first.",
)
@click.option("--no-check", is_flag=True, help="With --kernels: do not check them first.")
@click.option(
    "--checkpoint-every",
    metavar="STEPS",
    type=click.IntRange(min=1),
    help="Save the state within epochs too; it is always saved after an epoch.",
)
@click.option(
    "--tensorboard/--no-tensorboard",
    default=None,
    help="Write TensorBoard event files into the folder too; needs tensorboardX, the extra [tensorboard].",
)
@click.option(
    "--resume",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Continue the run in a folder, to the very bits of one that was not ended; with --epochs, --threads.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default runs/<model>-<data>-<n>.")
@click.pass_context
def train(context: click.Context, /, config: Path | None, resume: Path | None, no_check: bool, **options: Any) -> None:
    """Assemble a network, train it, and keep the result.

    Writes model.safetensors (PyTorch loads it as it is), run.json, metrics.csv and checkpoint.safetensors after every epoch,
    and at the end curve.png, the loss and accuracy of every epoch ("workbench show DIR" draws it at any time).
    Ctrl-C finishes the step and saves; --resume continues. The exit code is 1 if a kernel of yours fails its check, or the
    training diverges: its loss is no number, or far above chance. The last epoch before is kept.
    """
    from workbench.network.resume import read_resumed
    from workbench.network.resume import resume as continued
    from workbench.network.settings import CHANNELS, read_request
    from workbench.network.train import prepare, training
    from workbench.system import machine
    from workbench.target.substitute import Substitutes, substitute_targets

    given = {name: value for name, value in options.items() if value is not None and _is_given(context, name)}
    if "channels" in given:
        given["channels"] = CHANNELS[given["channels"]]
    if resume is None:
        request = read_request(config, given)
    elif config is not None:
        raise click.UsageError("--config and --resume: a run continues with its own settings; leave out one of them")
    else:
        request = read_resumed(resume, given)
    if "momentum" in given and request.optimizer != "sgd":
        raise InputError(f"--momentum: is for sgd; leave it out with --optimizer {request.optimizer}")
    if request.device not in {each.name for each in TIMED}:
        raise nearest("--device", request.device, [each.name for each in TIMED])
    machine.use_threads(request.threads)
    if no_check and not request.kernels:
        raise InputError("--no-check: is for your own kernels; add --kernels FILE.py, or leave it out")
    device = DEVICES[request.device]
    targets = substitute_targets(request.kernels, device)
    if targets and not no_check:
        from workbench.cli.own_kernels import check_first

        check_first(targets, device)
    substitutes = Substitutes(targets, device)
    with simulated(request.device), training(request, prepare if resume is None else continued) as prepared:
        _describe(prepared)
        if targets:
            _follow_own(prepared, substitutes)
        else:
            _follow(prepared)
    try:
        _draw_curve(prepared)
    finally:
        _say_saved(prepared)


def _follow_own(prepared: Prepared, substitutes: Substitutes) -> None:
    """Train with kernels of the user, and print how that compares with the built-in ones, also if it diverges."""
    from workbench.beside.comparison import Comparison
    from workbench.cli.own_kernels import print_comparison
    from workbench.network.divergence import Diverged

    def tell() -> None:
        for line in substitutes.summary():
            print_line(line)
        print_comparison(prepared.record)

    comparison = Comparison(prepared, substitutes)
    try:
        _follow(comparison.prepared, comparison)
    except Diverged:
        tell()
        raise
    tell()


def _describe(prepared: Prepared) -> None:
    """Print what is trained, on what, and how."""
    import numba

    from workbench.network.duration import EPOCHS

    work, request, dataset, count = prepared.training, prepared.settings, prepared.dataset, numba.get_num_threads()
    held = f" and {len(work.validated):,} validation" if len(work.validated) else ""
    print_line(
        f"{request.model}: {prepared.parameters.flat.size:,} parameters; {request.data}: {len(work.trained):,} training"
        f"{held} and {len(dataset.test_labels):,} test images {'x'.join(map(str, work.network.input_shape))}, "
        f"{len(dataset.classes)} classes"
    )
    show_notes(dataset.notes)
    print_line(
        f"executor {prepared.executor_name} ({prepared.reason}) on {request.device}, "
        f"{count} thread{'' if count == 1 else 's'}, into {prepared.folder}"
    )
    if request.epochs is None and work.epochs > EPOCHS:
        print_line(
            f"{work.epochs} epochs, because an epoch has only {work.steps} step{'' if work.steps == 1 else 's'}; "
            "--epochs changes it"
        )
    position = work.state.position
    if work.state.optimizer.taken:
        print_line(f"continuing in epoch {position.epoch}, after step {position.step} of {work.steps}")


def _follow(prepared: Prepared, companion: Companion | None = None) -> None:
    """Train, and print a line for every epoch; after a signal, the command that resumes."""
    from workbench.cli.progress import epoch_bar
    from workbench.network.duration import warning_of
    from workbench.network.train import run
    from workbench.system import render
    from workbench.system.ending import Ended
    from workbench.system.progress import compile_notices

    work, samples = prepared.training, len(prepared.training.trained)
    every = ceil(work.epochs / MOST_LINES)
    if every > 1:
        print_line(f"one epoch in {every} is printed, and the first and the last")
    try:
        with epoch_bar(render.message_console(), samples) as bar, compile_notices(bar.console):
            for epoch in run(prepared, bar.step, companion):
                if epoch.epoch not in (1, work.epochs) and epoch.epoch % every:
                    continue
                validation = ""
                if epoch.validation_loss is not None:
                    validation = (
                        f"validation loss {epoch.validation_loss:.4f} accuracy {epoch.validation_accuracy:.2%}  "
                    )
                print_line(
                    f"epoch {epoch.epoch}/{work.epochs}  train loss {epoch.train_loss:.4f} "
                    f"accuracy {epoch.train_accuracy:.2%}  {validation}test loss {epoch.test_loss:.4f} "
                    f"accuracy {epoch.test_accuracy:.2%}  {epoch.seconds:.1f} s ({samples / epoch.seconds:,.0f} samples/s)"
                )
    except Ended:
        if prepared.is_saved and not work.is_finished:
            position = work.state.position
            print_line(
                f"saved epoch {position.epoch}, step {position.step} of {work.steps}; continue with: "
                f"workbench train --resume {quote(str(prepared.folder))}",
                err=True,
            )
        raise
    if work.state.position.is_stopped:
        print_line(f"ended after {work.patience} epochs without a better accuracy on the validation images")
    if warning := warning_of(prepared.dataset, epoch.test_accuracy, epoch.train_accuracy, work.state.optimizer.taken):
        print_line(f"warning: {warning}", err=True)


def _say_saved(prepared: Prepared) -> None:
    from workbench.network.checkpoint import LAST, MODEL, RECORD

    best, which = prepared.training.state.position.best, ""
    if best is not None:
        which = f" (epoch {best.epoch}, the best on the validation images: {best.accuracy:.2%})"
        which += f", {LAST}" * (prepared.folder / LAST).exists()
    print_line(
        f"saved {prepared.folder / MODEL}{which} and {RECORD}; next: workbench eval {quote(str(prepared.folder))}"
    )


def _draw_curve(prepared: Prepared) -> None:
    """Draw loss and accuracy over the epochs; the run is saved, whatever goes wrong here."""
    try:
        from workbench.showing.draw import draw_curve

        drawn = draw_curve(prepared.record)
        assert drawn.sheet is not None
        drawn.sheet.save(prepared.folder / drawn.name)
    except Exception as error:  # of the disk, of matplotlib, of its fonts
        again = f"workbench show {quote(str(prepared.folder))}"
        print_line(f"note: the curve is not drawn ({first_line(error)}); draw it with: {again}", err=True)
    else:
        print_line(f"drew {prepared.folder / drawn.name}: loss, accuracy and learning rate, epoch by epoch")
