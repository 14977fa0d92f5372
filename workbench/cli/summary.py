"""``workbench summary``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.common import json_option
from workbench.cli.train import image_size
from workbench.system.errors import shortened
from workbench.system.terminal import print_line

if TYPE_CHECKING:
    from workbench.network.summary import Summary

MOST_TEXT = 17
"""The most characters of a layer in the table, without the dots of what is longer: so that it fits 80 columns."""


@click.command(
    epilog='Examples: workbench summary runs/lenet5-mnist-1;  workbench summary --model "conv 8 3x3 | relu | dense 10"'
)
@click.argument("run_folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--model", show_default="lenet5", help="lenet5, lenet-article, or a layer spec, instead of DIR.")
@click.option("--image-size", "size", callback=image_size, metavar="HxW", help="For --model; default 28x28.")
@click.option("--channels", type=click.Choice(["grey", "rgb"]), help="For --model; default grey.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Samples of the step that is timed."
)
@click.option("--threads", type=click.IntRange(min=1), help="Default: all cores.")
@click.option("--no-times", is_flag=True, help="Leave out the times, which take some seconds.")
@json_option
def summary(
    run_folder: Path | None,
    model: str | None,
    size: tuple[int, int] | None,
    channels: str | None,
    batch_size: int,
    threads: int | None,
    no_times: bool,
    json_target: str | None,
) -> None:
    """List the layers of a trained network, or of a layer spec: shapes, parameters, multiply-adds, bytes, and times.

    Output, multiply-adds and bytes are those of one sample. The times are measured: the medians of training steps that run
    operation by operation, as with train --executor ops. The fused executor has no times of single layers.
    """
    if run_folder is not None and (model, size, channels) != (None, None, None):
        raise click.UsageError(
            "--model, --image-size and --channels describe a network without DIR; leave out one or the other"
        )
    import numba
    import numpy as np

    from workbench.network.checkpoint import load
    from workbench.network.executor import check_memory
    from workbench.network.spec import Parameters
    from workbench.network.summary import Summary, network_of, summarize, time_step
    from workbench.system import machine, render
    from workbench.system.progress import compile_notices

    machine.use_threads(threads)
    run = None if run_folder is None else load(run_folder)
    if run is None:
        network = network_of(model or "lenet5", (3 if channels == "rgb" else 1, *(size or (28, 28))))
    else:
        network = run.network
    times = None
    if not no_times:
        check_memory("ops", network, batch_size)
        parameters = Parameters.initial(network, np.random.default_rng(0)) if run is None else run.parameters
        with compile_notices(render.message_console()):
            times = time_step(network, parameters, batch_size)
    found = Summary(network=network, layers=summarize(network), times=times)
    if json_target != "-":
        _show(found, batch_size, numba.get_num_threads())
    render.write_json({"schema": 1, **found.to_json(), "machine": machine.summary()}, json_target)


def _show(found: Summary, batch: int, threads: int) -> None:
    """Print the table, in 80 columns as far as the numbers of usual networks go."""
    from workbench.system import render
    from workbench.system.numbers import plural
    from workbench.system.numbers import size as size_text

    times = found.times
    columns = ("", "layer", "output", "parameters", "mult-adds", "bytes") + (("time",) if times else ())
    rows = [
        (
            layer.place or "",
            shortened(layer.text, MOST_TEXT),
            "x".join(map(str, layer.output)),
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
            size_text(layer.activation_bytes),
            *((f"{times.share(index):.1%}",) if times else ()),
        )
        for index, layer in enumerate(found.layers)
    ]
    activations = found.total("activation_bytes")
    total = (
        "",
        "all",
        "",
        f"{found.total('parameters'):,}",
        f"{found.total('multiply_adds'):,}",
        size_text(activations),
    )
    print_line(f"input {'x'.join(map(str, found.network.input_shape))}")
    render.print_table(columns, [*rows, (*total, *(("",) if times else ()))], right=("", *columns[3:]))
    print_line(
        f"{size_text(found.total('parameter_bytes'))} of parameters; a batch of {batch:,} has "
        f"{size_text(activations * batch)} of activations"
    )
    if times is not None:
        print_line(
            f"time: measured, of a training step, operation by operation, {plural(threads, 'thread')}: "
            f"{times.total_ms:.3g} ms"
        )
        print_line(f"(the loss: {times.loss_ms / times.total_ms:.1%}; not counted: copies, the optimizer)")
