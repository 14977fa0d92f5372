"""``workbench inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import DTYPES, json_option
from workbench.system.errors import InputError, VerdictAgainst
from workbench.system.terminal import print_line, print_text
from workbench.target.command_device import CPU, CUDA, DEVICES, SIM, TIMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.inspecting.inspection import InspectRequest
    from workbench.predicting.gpus import Gpu
    from workbench.system.compute_capability import ComputeCapability
    from workbench.target.resolve import Target

EPILOG = """\b
Examples:
  workbench inspect dense                               the built-in kernels, on the CPU
  workbench inspect my_conv.py:my_conv --op conv2d      your own kernel
  workbench inspect my_conv.py --source                 findings within the source
  workbench inspect relu --device cuda --cc 80,90 --asm
  workbench inspect my_gpu.py --device sim --case "x=1024x1024" --gpu h100
  workbench inspect my_gpu.py --budget budget.json --update-budget
"""


@click.command(epilog=EPILOG)
@click.argument("targets", metavar="OP|FILE.py[:NAME]...", nargs=-1, required=True)
@click.option("--op", metavar="OP", help="The operation of a kernel that @implements does not decorate.")
@click.option(
    "--device",
    type=click.Choice([*(each.name for each in TIMED), SIM.name]),
    help="The kind of machine code; sim: CUDA kernels run in the simulator, and what their warps do is counted by source "
    "line.  [default: cpu; for a file that of its kernels]",
)
@click.option(
    "--case",
    metavar="CASE",
    help='With sim: a named case or shapes, as for bench: --case "x=64x1x28x28 w=6x1x5x5".',
)
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="float32", show_default=True, help="Precision of the arrays."
)
@click.option(
    "--cc",
    metavar="80,90,...",
    help="With cuda: compute capabilities; no GPU is needed. With sim: the one whose instructions are counted.  "
    "[default for sim: 9.0]",
)
@click.option(
    "--gpu", metavar="GPU", help="With sim: predict the time of every launch on this GPU: h100, a100, rtx4090, ..."
)
@click.option("--asm", is_flag=True, help="Print the instructions of the hot loops, with their lines.")
@click.option("--source", is_flag=True, help="Print the source with the findings below their lines.")
@click.option(
    "--budget",
    metavar="FILE.json",
    help="With cuda: compare registers, memory, float64 and loads with this file; exit code 1 if one is worse.",
)
@click.option("--update-budget", is_flag=True, help="Write the resources of the kernels to the --budget file.")
@json_option
def inspect(
    targets: tuple[str, ...],
    op: str | None,
    device: str | None,
    case: str | None,
    dtype: str,
    cc: str | None,
    gpu: str | None,
    asm: bool,
    source: bool,
    budget: str | None,
    update_budget: bool,
    json_target: str | None,
) -> None:
    """Find out why a kernel is slow: read its machine code, loop by loop, by source line.

    A kernel is compiled for the types of its operation, and not timed. Every finding names a line, what the machine does
    there, and the usual remedy. Findings are not a verdict: the exit code is 0. With a budget, which replaces the findings,
    it is 1 if a kernel exceeds it.
    """
    from workbench.inspecting.inspection import InspectRequest, by_kind, inspect_targets
    from workbench.predicting.gpus import find_gpu
    from workbench.system import render
    from workbench.system.compute_capability import DEFAULT, parse_cc
    from workbench.target.resolve import parse_targets

    if device == SIM.name:
        if budget is not None or update_budget or asm or source:
            raise InputError(
                "--device sim: counts what warps do and shows no machine code; it takes --case, --cc, --gpu and --json"
            )
        where, asked = None if gpu is None else find_gpu(gpu), None if cc is None else parse_cc(cc)
        if where is not None and asked not in (None, where.cc):
            raise InputError(f"--cc {cc}: the compute capability of {where.name} is {where.cc[0]}.{where.cc[1]}")
        _count(parse_targets(targets, op=op), dtype, case, asked, where, json_target)
        return
    for option, given in (("--case", case), ("--gpu", gpu)):
        if given is not None:
            raise InputError(f"{option}: is for counters; add --device sim")
    chosen = by_kind(parse_targets(targets, op=op), None if device is None else DEVICES[device])
    for option, given in (("--cc", cc), ("--budget", budget)):
        if given is not None and CUDA.kind not in chosen:
            raise InputError(f"{option}: is for CUDA kernels; add --device cuda")
    if update_budget and budget is None:
        raise InputError("--update-budget: needs the file, --budget FILE.json")
    if budget is not None and (CPU.kind in chosen or asm or source):
        raise InputError("--budget: is for CUDA kernels alone, without --asm and --source; add --device cuda")
    request = InspectRequest(
        targets=chosen,
        dtype=dtype,
        ccs=DEFAULT if cc is None else tuple(parse_cc(each) for each in cc.split(",")),
        asm=asm,
        source=source,
    )
    if budget is not None:
        _judge(request, Path(budget), update_budget, json_target)
        return
    documents: list[dict[str, Any]] = []
    for reported, text in inspect_targets(request):
        if json_target != "-":
            print_text(("\n" if documents else "") + text)
        documents += reported
    render.write_json({"schema": 1, "reports": documents}, json_target)


def _count(
    targets: Sequence[Target],
    dtype: str,
    case: str | None,
    cc: ComputeCapability | None,
    gpu: Gpu | None,
    json_target: str | None,
) -> None:
    from workbench.predicting import count_report
    from workbench.predicting.counted_targets import inspect_counted
    from workbench.system import render

    found, note = inspect_counted(targets, dtype, case, cc, gpu)
    if json_target != "-":
        print_text("\n\n\n".join(count_report.render(each, gpu) for each in found))
    if note:
        print_line(note, err=True)
    render.write_json({"schema": 1, "counters": [count_report.to_json(each) for each in found]}, json_target)
    hazards = [each.counted.implementation for each in found if each.counted.hazard]
    if hazards:
        raise VerdictAgainst(f"{', '.join(hazards)}: a hazard; see workbench check --device sim")


def _judge(request: InspectRequest, path: Path, update: bool, json_target: str | None) -> None:
    from workbench.inspecting.cuda import budget
    from workbench.inspecting.inspection import judge_budget
    from workbench.system import render

    reports, found, allowed, note = judge_budget(request, path, update=update)
    faults = budget.faults(found, allowed)
    if json_target != "-":
        render.print_table(budget.COLUMNS, budget.rows(found, allowed), right=budget.COLUMNS[4:-1])
        if faults:
            print_line()
        for fault in faults:
            print_line(fault)
        if update:
            print_line(f"budget: {path}")
    if json_target:
        render.write_json({"schema": 1, "reports": reports, "over_budget": faults}, json_target)
    if faults:
        raise VerdictAgainst(f"{path}: {len(faults)} beyond the budget{note}")
