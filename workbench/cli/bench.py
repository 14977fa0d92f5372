"""``workbench bench``."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from workbench.cli.common import DTYPES, chosen_dtypes, finite, json_option, writable
from workbench.system.errors import AGAINST, InputError, shortened
from workbench.system.terminal import print_line
from workbench.target.command_device import CUDA, DEVICES, TIMED

EPILOG = """Examples: workbench bench conv2d --case lenet-c3 --against torch;  workbench bench my_conv.py:my_conv;
workbench bench conv2d --case 'x=1x64x56x56 w=64x64x3x3 padding=1'"""


def _batches(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    words = [] if text is None else text.split(",")
    if not all(re.fullmatch(r" *[0-9]{1,9} *", word) and int(word) > 0 for word in words):
        raise click.BadParameter(f"{shortened(str(text))} is not a list of sizes; write it as 1,16,64,256")
    return tuple(dict.fromkeys(int(word) for word in words))


def _listed(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    words = [] if text is None else [word.strip() for word in text.split(",")]
    if not all(words):
        raise click.BadParameter(f"{text!r} contains an empty name; separate names by single commas")
    return tuple(dict.fromkeys(words))


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
    help="Rivals, separated by commas: torch, onnxruntime, scipy, numpy, builtin, FILE.py:NAME.",
)
@click.option("--batch", "batches", metavar="LIST", callback=_batches, help="Numbers of samples, separated by commas.")
@click.option("--op", metavar="OP", help="The operation of a kernel that @implements does not decorate.")
@click.option(
    "--device",
    type=click.Choice([*(each.name for each in TIMED), "all"]),
    default="cpu",
    show_default=True,
    help="all: the CPU, and the GPU if there is one.",
)
@click.option("--dtype", type=click.Choice([*DTYPES, "all"]), default="float32", show_default=True, help="Precision.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of every contestant; default: all cores.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0.01, max=3600),
    default=3.0,
    callback=finite,
    show_default=True,
    help="Maximum seconds of timing for each contestant on a case.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(min=0.5, max=0.9999),
    default=0.99,
    callback=finite,
    show_default=True,
    help="Confidence of intervals and verdicts.",
)
@click.option("--compare", "old", metavar="OLD.json", help="Compare with an earlier --json of this machine.")
@click.option("--html", "html", metavar="PATH", callback=writable, help="Write a report for the browser.")
@click.option("--csv", "csv", metavar="PATH|-", callback=writable, help="Write the rows as CSV; - for standard output.")
@click.option("--markdown", metavar="PATH|-", callback=writable, help="Write the table as Markdown.")
@click.option("--list", "listed", is_flag=True, help="List the cases that would be timed; then stop.")
@click.option(
    "--calibrate", is_flag=True, help="Measure the size from which the GPU is faster, for device=auto; then stop."
)
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
    csv: str | None,
    markdown: str | None,
    listed: bool,
    calibrate: bool,
    json_target: str | None,
) -> None:
    """Time kernels in turn with their rivals; each is verified first.

    The first contestant of a case is the baseline: the built-in kernel, or else the user's. A difference is reported only if
    it exceeds the noise between the baseline and itself in another process. The share of the peak compares the median with
    the least time that the machine's measured limits allow. A wrong contestant is not timed. The exit code is 1 if a
    contestant is wrong, fails or crashes, or --compare finds a slower one.
    """
    import numba

    from workbench.benching import bench_table, comparing, rows
    from workbench.benching.bench_request import BenchRequest, cases
    from workbench.benching.document import bench_targets
    from workbench.system import machine, render
    from workbench.target.resolve import Target

    if calibrate:
        if case or against or batches or old or html or csv or markdown or listed:
            raise InputError("--calibrate: takes operations and --json alone; leave the other options out")
        _calibrate(targets, json_target)
        return
    if [json_target, csv, markdown].count("-") > 1:
        raise InputError("standard output takes one of --json, --csv and --markdown; write the others to files")
    earlier = None if old is None else comparing.read_old(Path(old))
    machine.use_threads(threads)
    request = BenchRequest(
        targets=tuple(Target(text=word, op=op) for word in targets),
        against=tuple(Target(text=word, op=op) for word in against),
        case=case,
        batches=batches,
        devices=TIMED if device == "all" else (DEVICES[device],),
        dtypes=chosen_dtypes(dtype),
        threads=numba.get_num_threads(),
        budget_s=budget,
        confidence=confidence,
    )
    if listed:
        from workbench.benching import case_list

        render.print_table(
            case_list.COLUMNS, case_list.lines(cases(request, request.devices[0])), right=case_list.COLUMNS[4:]
        )
        return
    document = bench_targets(request, shlex.join(["workbench", *_words(context)]), earlier)
    if "-" not in (json_target, csv, markdown):
        bench_table.show(document)
    render.write_json(document, json_target)
    render.write_text(bench_table.csv_text(document["rows"]), csv)
    render.write_text(render.markdown_table(bench_table.COLUMNS, bench_table.cells(document["rows"])), markdown)
    if html is not None:
        from workbench.report import write_html

        write_html(document, Path(html))
        print_line(f"report: {html}", err=True)
    slower = [each for each in document["compared"] or () if each["verdict"] == "slower"]
    if slower or any(row["status"] in rows.AGAINST for row in document["rows"]):
        context.exit(AGAINST)


def _words(context: click.Context) -> list[str]:
    return sys.argv[1:] if Path(sys.argv[0]).stem in ("workbench", "__main__") else [str(context.info_name)]


def _calibrate(targets: tuple[str, ...], json_target: str | None) -> None:
    from kernels import OPS
    from workbench.benching.calibrating import calibrate, store
    from workbench.system import render
    from workbench.target.resolve import known_operation

    if fault := CUDA.absence():
        raise InputError(f"--calibrate: compares the CPU with a GPU: {fault}")
    console = render.message_console()
    names = [known_operation(name) for name in dict.fromkeys(targets)] or list(OPS)
    found = calibrate(names, lambda line: console.print(line))
    path = store(found)
    document: dict[str, Any] = {"schema": 1, "break_even_flops": found, "file": str(path)}
    render.write_json(document, json_target)
    if json_target != "-":
        for name, flops in found.items():
            print_line(f"{name}: the GPU wins from {flops:,} flops on")
        print_line(f"stored in {path}; device='auto' reads it")
