"""``workbench inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import json_option
from workbench.system.errors import InputError, Verdict, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

Reported = tuple[list[dict[str, Any]], str]
"""Reports as JSON, and their text."""

DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float64")

EPILOG = """\b
Examples:
  workbench inspect dense                               the built-in kernels, on the CPU
  workbench inspect my_conv.py:my_conv --op conv2d      a kernel of yours
  workbench inspect my_conv.py --source                 findings beside the source
  workbench inspect relu --device cuda --cc 80,90 --asm
  workbench inspect my_gpu.py --budget budget.json --update-budget
"""


@click.command(epilog=EPILOG)
@click.argument("targets", metavar="OP|FILE.py[:NAME]...", nargs=-1, required=True)
@click.option("--op", metavar="OP", help="The operation of a kernel that @implements does not decorate.")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    help="Whose machine code.  [default: cpu; for a file what its kernels are for]",
)
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="float32", show_default=True, help="Precision of the arrays."
)
@click.option("--cc", metavar="80,90,...", help="With cuda: compute capabilities; no GPU is needed.")
@click.option("--asm", is_flag=True, help="Print the instructions of the hot loops, with their lines.")
@click.option("--source", is_flag=True, help="Print the source, with the findings below their lines.")
@click.option(
    "--budget",
    metavar="FILE.json",
    help="With cuda: compare registers, memory, float64 and loads with this file; exit code 1 where they are worse.",
)
@click.option("--update-budget", is_flag=True, help="Write what the kernels take to the --budget file.")
@json_option
def inspect(
    targets: tuple[str, ...],
    op: str | None,
    device: str | None,
    dtype: str,
    cc: str | None,
    asm: bool,
    source: bool,
    budget: str | None,
    update_budget: bool,
    json_target: str | None,
) -> None:
    """Say why a kernel is slow: read its machine code, loop by loop, on its source lines.

    A kernel is compiled for the types that its operation gives it, and not timed. Every finding names a line, what the
    machine does there, and what usually mends it; where nothing is found nothing is said. What is found is no verdict: the
    exit code is 0. A budget is one, in the place of the findings.
    """
    from workbench.system import render

    _check_targets(targets, op)
    by_device = _by_device(targets, op, device)
    for option, given in (("--cc", cc), ("--budget", budget)):
        if given is not None and "cuda" not in by_device:
            raise InputError(f"{option}: is for CUDA kernels; add --device cuda")
    if update_budget and budget is None:
        raise InputError("--update-budget: needs the file, --budget FILE.json")
    if budget is not None:
        if "cpu" in by_device or asm or source:
            raise InputError("--budget: is for CUDA kernels alone, without --asm and --source; add --device cuda")
        _judge(by_device["cuda"], op, dtype, cc, Path(budget), update_budget, json_target)
        return
    documents: list[dict[str, Any]] = []
    for one, named in by_device.items():
        found = _cuda(named, op, dtype, cc, asm, source) if one == "cuda" else _cpu(named, op, dtype, asm, source)
        for reported, text in found:
            if json_target != "-":
                click.echo(("\n" if documents else "") + text)
            documents += reported
    if json_target:
        render.write_json({"schema": 1, "reports": documents}, json_target)


def _check_targets(targets: tuple[str, ...], op: str | None) -> None:
    """Check the targets' form: operations must be there; files are looked at when they are loaded."""
    from kernels import OPS
    from workbench.target.file import is_file_target

    for target in targets:
        if not is_file_target(target) and target not in OPS:
            raise nearest("operation", target, list(OPS))
    if op is not None and not any(map(is_file_target, targets)):
        raise InputError("--op: is for a kernel of yours; name its file, FILE.py:NAME")


def _by_device(targets: tuple[str, ...], op: str | None, device: str | None) -> dict[str, tuple[str, ...]]:
    """Return the targets by device: those of files by what their kernels are for, unless one is asked for."""
    from workbench.inspecting.cuda.offline import without_driver
    from workbench.target.file import is_file_target, load_file

    if device is not None or not any(map(is_file_target, targets)):
        return {device or "cpu": targets}
    chosen: dict[str, list[str]] = {}
    with without_driver():  # a decorator with an explicit signature would ask for one
        for target in targets:
            kernels = load_file(target, op=op).kernels if is_file_target(target) else ()
            for kind in sorted({kernel.device for kernel in kernels}) or ["cpu"]:
                chosen.setdefault(kind, []).append(target)
    return {kind: tuple(named) for kind, named in chosen.items()}


def _cpu(targets: tuple[str, ...], op: str | None, dtype: str, asm: bool, source: bool) -> Iterator[Reported]:
    from workbench.inspecting.cpu.cpu_inspection import inspect_kernel
    from workbench.inspecting.cpu.cpu_report import render as as_text
    from workbench.inspecting.cpu.kernels import subjects
    from workbench.system import render

    console = render.message_console()
    for subject in [subject for target in targets for subject in subjects(target, op, dtype)]:
        if console.is_terminal:
            console.print(f"compiling {subject.name}")
        report = inspect_kernel(subject, dtype)
        yield [report.to_json()], as_text(report, asm=asm, source=source)


def _cuda(
    targets: tuple[str, ...], op: str | None, dtype: str, cc: str | None, asm: bool, source: bool
) -> Iterator[Reported]:
    from workbench.inspecting import cuda
    from workbench.inspecting.cuda.cuda_report import render_all

    reports = cuda.inspect_kernels(targets, op, dtype, _capabilities(cc))
    yield [report.to_json() for report in reports], render_all(reports, asm, source)


def _capabilities(cc: str | None) -> tuple[tuple[int, int], ...]:
    from workbench.inspecting import cuda

    return cuda.DEFAULT if cc is None else tuple(cuda.parse_cc(each) for each in cc.split(","))


def _judge(
    targets: tuple[str, ...],
    op: str | None,
    dtype: str,
    cc: str | None,
    path: Path,
    update: bool,
    json_target: str | None,
) -> None:
    from workbench.inspecting import cuda
    from workbench.inspecting.cuda import budget
    from workbench.inspecting.cuda.toolchain import find_toolchain
    from workbench.system import render

    allowed = {} if update else budget.read_budget(path)
    reports = cuda.inspect_kernels(targets, op, dtype, _capabilities(cc))
    found, versions = budget.costs(reports), find_toolchain().versions()
    if update:
        budget.write_budget(path, found, versions)
        allowed = found
    faults = budget.faults(found, allowed)
    if json_target != "-":
        render.print_table(budget.COLUMNS, budget.rows(found, allowed), right=budget.COLUMNS[4:-1])
        click.echo("".join(f"\n{fault}" for fault in faults), nl=bool(faults))
        if update:
            click.echo(f"budget: {path}")
    if json_target:
        documents = [report.to_json() for report in reports]
        render.write_json({"schema": 1, "reports": documents, "over_budget": faults}, json_target)
    if faults:
        raise Verdict(f"{path}: {len(faults)} beyond the budget{budget.other_tools(path, versions)}")
