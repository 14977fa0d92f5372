"""``workbench roofline``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from workbench.cli.common import json_option, writable
from workbench.system.errors import AGAINST, InputError, VerdictAgainst
from workbench.system.terminal import print_line
from workbench.target.command_device import CPU, DEVICES, TIMED

if TYPE_CHECKING:
    from workbench.target.resolve import Target

LENET = ("conv2d", "conv2d_backward", "relu", "max_pool2d", "max_pool2d_backward", "dense", "dense_backward")
"""The operations that are shown by default."""

LENET_CASES = "lenet-*"


@click.command(
    epilog="Examples: workbench roofline --out roofline.png;  workbench roofline conv2d --case resnet-3x3;  "
    "workbench roofline --gpu h100 --out h100.png"
)
@click.argument("targets", metavar="[OP|FILE.py[:NAME]]...", nargs=-1)
@click.option(
    "--case", metavar="NAME|SHAPE", help="As in bench; default: LeNet's layers, or all of the targets' cases."
)
@click.option(
    "--device",
    type=click.Choice([each.name for each in TIMED]),
    default="cpu",
    show_default=True,
    help="The device whose limits are measured.",
)
@click.option(
    "--gpu",
    metavar="GPU",
    help="Predict instead of measuring: built-in and own CUDA kernels on h100, a100, rtx4090, ...",
)
@click.option("--threads", type=click.IntRange(min=1), help="Default: all cores.")
@click.option("--out", metavar="PATH", callback=writable, help="Draw it, as PATH.png or PATH.svg.")
@json_option
@click.pass_context
def roofline(
    context: click.Context,
    targets: tuple[str, ...],
    case: str | None,
    device: str,
    gpu: str | None,
    threads: int | None,
    out: str | None,
    json_target: str | None,
) -> None:
    """Measure the machine's limits and place kernels under them.

    The roofs are measured: fused multiply-adds on whole registers, and reading and writing at every level of memory. Each
    kernel is a point: its arithmetic per byte that must move, and its speed. With --gpu both are predicted: the roofs from
    the GPU's published figures, the points from what the kernels do in the simulator.
    """
    import numba

    from workbench.benching import bench_table, rows
    from workbench.benching.bench_request import BenchRequest
    from workbench.benching.document import bench_targets
    from workbench.system import machine, render
    from workbench.target.resolve import Target

    cases = case or (None if targets else LENET_CASES)
    named = tuple(Target(text=word) for word in targets or LENET)
    if gpu is not None:
        if context.get_parameter_source("device") == ParameterSource.COMMANDLINE or threads is not None:
            raise InputError("--gpu: nothing is measured; it goes without --device and --threads")
        _predict(gpu, named, cases, out, json_target)
        return
    if fault := DEVICES[device].absence():
        raise InputError(f"--device {device}: {fault}")
    if out is not None:
        from workbench.report import check_picture

        check_picture(Path(out))
    machine.use_threads(threads)
    document = bench_targets(
        BenchRequest(
            targets=named,
            case=cases,
            devices=(DEVICES[device],),
            threads=numba.get_num_threads(),
            budget_s=1.0,
        )
    )
    peaks, facts = document["peaks"][device], document["machine"]
    if json_target != "-":
        print_roofs(peaks)
        bench_table.show_rows(document["rows"])
    render.write_json(
        {"schema": 1, "machine": facts, "peaks": document["peaks"], "rows": document["rows"]}, json_target
    )
    if out is not None:
        _draw(document["rows"], peaks, Path(out), facts["cpu" if DEVICES[device] == CPU else "gpu"])
    if any(row["status"] in rows.AGAINST for row in document["rows"]):
        context.exit(AGAINST)


def _predict(gpu: str, targets: Sequence[Target], case: str | None, out: str | None, json_target: str | None) -> None:
    """Print the predicted times of CUDA kernels on a GPU, and draw them under its roofs."""
    from workbench.predicting.gpus import find_gpu
    from workbench.predicting.predicted_rows import COLUMNS, cells, peaks_of, predicted_rows
    from workbench.report import Point, check_picture, draw_roofline
    from workbench.system import render

    found = find_gpu(gpu)
    if out is not None:
        check_picture(Path(out))
    peaks = asdict(peaks_of(found))
    rows, hazards = predicted_rows(targets, "float32", case, found)
    if json_target != "-":
        print_line(f"predicted for {found.name}, from what the kernels do in the simulator; nothing is measured")
        print_roofs(peaks)
        render.print_table(COLUMNS, cells(rows), right=COLUMNS[3:-1])
    render.write_json({"schema": 1, "gpu": found.key, "peaks": {found.key: peaks}, "predictions": rows}, json_target)
    if out is not None:
        points = [
            Point(
                name=row["case"],
                op=row["op"],
                flops_per_byte=row["flops_per_byte"],
                gflops=row["gflops"],
                dtype=row["dtype"],
                implementation=row["implementation"],
            )
            for row in rows
            if row["flops_per_byte"] and row["gflops"]
        ]
        draw_roofline(peaks, points, Path(out), title=f"{found.name}, predicted")
        print_line(f"picture: {out}", err=True)
    if hazards:
        raise VerdictAgainst(f"{', '.join(hazards)}: a hazard, not predicted; see workbench check --device sim")


def print_roofs(peaks: dict[str, Any]) -> None:
    """Print the limits, and a calculation of the arithmetic limit by hand."""
    from workbench.benching import bench_table
    from workbench.system import render

    levels = list(peaks["gbps"])
    threads = f"{peaks['threads']} threads" if peaks["threads"] else "the GPU"
    header = ("limit", threads, "one core")
    one = bool(peaks["gflops_one_core"])
    rows = [
        (
            f"{dtype} arithmetic",
            f"{value:,.1f} GFLOP/s",
            f"{peaks['gflops_one_core'][dtype]:,.1f} GFLOP/s" if one else "-",
        )
        for dtype, value in peaks["gflops"].items()
    ]
    rows += [
        (
            f"{level} bandwidth",
            f"{peaks['gbps'][level]:,.1f} GB/s",
            f"{peaks['gbps_one_core'][level]:,.1f} GB/s" if one else "-",
        )
        for level in levels
    ]
    rows.append(("a call", bench_table.milliseconds(peaks["launch_ms"]), ""))
    render.print_table(header, rows, right=header[1:])
    if peaks["clock_ghz"]:
        print_line(by_hand(peaks))


def by_hand(peaks: dict[str, Any]) -> str:
    """Explain the measured arithmetic limit of one core: clock x lanes x 2 x the number of units that results."""
    lanes, clock = peaks["register_bytes"] // 4, peaks["clock_ghz"]
    measured = peaks["gflops_one_core"]["float32"]
    units = measured / (clock * lanes * 2)
    whole = max(1, round(units))
    return (
        f"by hand, one core: {measured:.1f} GFLOP/s float32 = {clock:.2f} GHz x {lanes} lanes x 2 x {units:.2f} units; "
        f"{whole} unit{'' if whole == 1 else 's'} would make {clock * lanes * 2 * whole:.1f}, {units / whole - 1:+.1%}"
    )


def _draw(rows: list[dict[str, Any]], peaks: dict[str, Any], path: Path, title: str) -> None:
    from workbench.report import draw_roofline, points_of

    draw_roofline(peaks, points_of(rows), path, title=title)
    print_line(f"picture: {path}", err=True)
