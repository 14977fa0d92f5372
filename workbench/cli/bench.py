"""``workbench bench``."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from workbench.cli.common import FAILED, Document, json_option, on_devices, writable
from workbench.cli.measuring import measured
from workbench.system.errors import InputError

DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float64")

EPILOG = """Examples: workbench bench conv2d --case lenet-c3 --against torch;  workbench bench my_conv.py:my_conv;
workbench bench conv2d --case 'x=1x64x56x56 w=64x64x3x3 padding=1'"""


def _batches(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    words = [] if text is None else text.split(",")
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise click.BadParameter(f"{text} is no list of sizes; write it as 1,16,64,256")
    return tuple(dict.fromkeys(int(word) for word in words))


def _listed(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    words = [] if text is None else [word.strip() for word in text.split(",")]
    if not all(words):
        raise click.BadParameter(f"{text!r} has an empty name in it; join names by single commas")
    return tuple(dict.fromkeys(words))


def _number(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number")
    return value


@click.command(epilog=EPILOG)
@click.argument("targets", metavar="[OP|FILE.py[:NAME]]...", nargs=-1)
@click.option(
    "--case",
    metavar="NAME|SHAPE",
    help="A named case, a pattern such as 'lenet-*', or shapes and options; default: all named ones.",
)
@click.option(
    "--against",
    metavar="LIST",
    callback=_listed,
    help="Rivals, joined by commas: torch, onnxruntime, scipy, numpy, builtin, FILE.py:NAME.",
)
@click.option("--batch", "batches", metavar="LIST", callback=_batches, help="Numbers of samples, joined by commas.")
@click.option("--op", metavar="OP", help="What an undecorated kernel of a file computes.")
@click.option(
    "--device",
    type=click.Choice([*DEVICES, "all"]),
    default="cpu",
    show_default=True,
    help="all: the CPU beside the GPU where there is one.",
)
@click.option("--dtype", type=click.Choice([*DTYPES, "all"]), default="float32", show_default=True, help="Precision.")
@click.option("--threads", type=click.IntRange(min=1), help="Of every contestant; default: all cores.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0.01, max=3600),
    default=3.0,
    callback=_number,
    show_default=True,
    help="Most seconds of timing for each contestant on a case.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(min=0.5, max=0.9999),
    default=0.99,
    callback=_number,
    show_default=True,
    help="Of intervals and verdicts.",
)
@click.option("--compare", "old", metavar="OLD.json", help="Judge against an earlier --json of this machine.")
@click.option("--html", "html", metavar="PATH", callback=writable, help="Write a report for the browser.")
@click.option("--calibrate", is_flag=True, help="Measure from what size on the GPU wins, for device=auto; then stop.")
@click.option("--partial", is_flag=True, hidden=True, help="One of several devices: what is not for it is left out.")
@json_option
@click.pass_context
def bench(
    context: click.Context,
    targets: tuple[str, ...],
    case: str | None,
    against: tuple[str, ...],
    batches: tuple[int, ...],
    op: str | None,
    device: str,
    dtype: str,
    threads: int | None,
    budget: float,
    confidence: float,
    old: str | None,
    html: str | None,
    calibrate: bool,
    partial: bool,
    json_target: str | None,
) -> None:
    """Time kernels, each verified first, in turn with their rivals and with themselves.

    The first of a case is the baseline: the built-in kernel, else the user's. A difference is called only beyond the noise
    that the baseline shows against itself in another process. The share of the peak compares the median with the least time
    that this machine's measured limits allow. What is wrong is never timed; then, and where --compare finds something
    slower, the command exits with 1.
    """
    from dataclasses import replace

    import numba

    from workbench.benching import bench_table, comparing
    from workbench.benching.request import Request, cases, sources
    from workbench.system import machine, render

    if calibrate:
        if case or against or batches or old or html:
            raise InputError("--calibrate: takes operations and --json alone; leave the other options out")
        _calibrate(targets, json_target)
        return
    earlier = None if old is None else comparing.read_old(Path(old))
    machine.use_threads(threads)
    asked = Request(
        targets=targets,
        against=against,
        case=case,
        batches=batches,
        op=op,
        partial=partial or device == "all",
        threads=numba.get_num_threads(),
    )
    for check in (cases, sources):  # refused before anything is measured
        check(asked if device == "all" else replace(asked, device=device))

    def here(one: str) -> Document:
        dtypes = DTYPES if dtype == "all" else (dtype,)
        return measured(replace(asked, device=one), dtypes, budget_s=budget, confidence=confidence)

    facts = machine.summary() | {"versions": machine.versions()}
    if earlier is not None:
        comparing.check_machine(earlier, facts)
    arguments = ["bench", *targets, *_again(case, against, batches, op, threads)]
    arguments += ["--partial"] if device == "all" else []
    arguments += ["--dtype", dtype, "--budget", str(budget), "--confidence", str(confidence)]
    documents, skips = on_devices(device, DEVICES, arguments, here)
    document: Document = {
        "schema": 1,
        "command": shlex.join(["workbench", *_words(context)]),
        "machine": facts,
        "skipped": skips,
        "compared": None,
        "gpu_state": None,
    }
    for part in documents:
        document |= {name: part[name] for name in ("when", "confidence")}
        document["gpu_state"] = part["gpu_state"] or document["gpu_state"]
        document["peaks"] = document.get("peaks", {}) | part["peaks"]
        document["skipped"] = document["skipped"] | part["skipped"]
        for name in ("controls", "rows"):
            document[name] = document.get(name, []) + part[name]
    if earlier is not None:
        document["compared"] = [each.to_json() for each in comparing.compare(earlier, document)]
    if json_target != "-":
        bench_table.show(document)
    if json_target:
        render.write_json(document, json_target)
    if html is not None:
        from workbench.report import write_html

        write_html(document, Path(html))
        click.echo(f"report: {html}", err=True)
    slower = [each for each in document["compared"] or () if each["verdict"] == "slower"]
    if slower or not all(row["verified"] for row in document["rows"]):
        context.exit(FAILED)


def _again(
    case: str | None, against: tuple[str, ...], batches: tuple[int, ...], op: str | None, threads: int | None
) -> list[str]:
    """Return the options that another process needs to do the same."""
    given = {
        "--case": case,
        "--against": ",".join(against) or None,
        "--batch": ",".join(map(str, batches)) or None,
        "--op": op,
        "--threads": None if threads is None else str(threads),
    }
    return [word for name, value in given.items() if value is not None for word in (name, value)]


def _words(context: click.Context) -> list[str]:
    return sys.argv[1:] if Path(sys.argv[0]).stem in ("workbench", "__main__") else [str(context.info_name)]


def _calibrate(targets: tuple[str, ...], json_target: str | None) -> None:
    from workbench.benching.calibrating import calibrate, store
    from workbench.cli.common import absence, op_names
    from workbench.system import render

    if fault := absence("cuda"):
        raise InputError(f"--calibrate: compares the CPU with a GPU: {fault}")
    console = render.message_console()
    found = calibrate(op_names(targets), lambda line: console.print(line))
    path = store(found)
    document: dict[str, Any] = {"schema": 1, "break_even_flops": found, "file": str(path)}
    if json_target:
        render.write_json(document, json_target)
    if json_target != "-":
        for name, flops in found.items():
            click.echo(f"{name}: the GPU wins from {flops:,} flops on")
        click.echo(f"stored in {path}; device='auto' reads it")
