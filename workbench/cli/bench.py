"""``workbench bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import FAILED, Document, Row, compile_notices, json_option, nearest, on_devices, op_names
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.cases import NamedCase

DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float64")


@click.command(epilog="Examples: workbench bench conv2d --case lenet-c3 --device all;  workbench bench my_relu.py")
@click.argument("targets", metavar="[OP|FILE.py[:NAME]]...", nargs=-1)
@click.option("--case", "case_name", metavar="NAME", help="One named case; default: all of the operations'.")
@click.option(
    "--device",
    type=click.Choice([*DEVICES, "all"]),
    default="cpu",
    show_default=True,
    help="all: the CPU beside the GPU where there is one.",
)
@click.option("--dtype", type=click.Choice([*DTYPES, "all"]), default="float32", show_default=True, help="Precision.")
@click.option("--threads", type=click.IntRange(min=1), help="Numba's threads; default: all cores.")
@click.option(
    "--budget", type=click.FloatRange(min=0.01), default=0.5, show_default=True, help="Seconds of timing per row."
)
@json_option
@click.pass_context
def bench(
    context: click.Context,
    targets: tuple[str, ...],
    case_name: str | None,
    device: str,
    dtype: str,
    threads: int | None,
    budget: float,
    json_target: str | None,
) -> None:
    """Time kernels on named real cases, each verified first; those of a file beside the built-in ones.

    An implementation whose result is wrong is listed as wrong, never timed, and the command exits with 1. The share of the
    peak compares the median with the least time that this machine's measured limits allow.
    """
    from workbench import machine, render

    ops = _operations(targets, device)
    cases = _cases(op_names(ops), bool(ops), case_name)
    machine.use_threads(threads)
    dtypes = DTYPES if dtype == "all" else (dtype,)

    def here(one: str) -> Document:
        return _bench(cases, one, dtypes, budget)

    arguments = ["bench", *targets, "--dtype", dtype, "--budget", str(budget)]
    arguments += [] if case_name is None else ["--case", case_name]
    arguments += [] if threads is None else ["--threads", str(threads)]
    documents, skips = on_devices(device, DEVICES, arguments, here)
    rows = [row for document in documents for row in document["rows"]]
    peaks = {name: limits for document in documents for name, limits in document["peaks"].items()}
    if json_target != "-":
        _print(rows, peaks)
        for name, reason in skips.items():
            click.echo(f"{name} skipped: {reason}")
    if json_target:
        facts = machine.summary() | {"versions": machine.versions()}
        document = {"schema": 1, "machine": facts, "peaks": peaks, "rows": rows, "skipped": skips}
        render.write_json(document, json_target)
    if not all(row["verified"] for row in rows):
        context.exit(FAILED)


def _operations(targets: tuple[str, ...], device: str) -> tuple[str, ...]:
    """Give the operations that targets name; the kernels of files are registered, and so stand in the table.

    A kernel for another device is left out with "all".
    """
    from kernels.registry import register, unregister
    from workbench.binding import implementation
    from workbench.loading import is_file_target, load_file

    names: list[str] = []
    for target in targets:
        if not is_file_target(target):
            names.append(target)
            continue
        kernels = load_file(target).kernels
        fitting = [kernel for kernel in kernels if device in ("all", kernel.device)]
        if not fitting:
            raise InputError(f"{target}: has no kernel for {device}; choose another --device")
        for kernel in load_file(target.rpartition(":")[0] or target).kernels if ":" in target else ():
            unregister(implementation(kernel))  # decorated too, but another one was asked for
        for kernel in fitting:
            register(implementation(kernel))
            names.append(kernel.op.name)
    return tuple(dict.fromkeys(names))


def _cases(names: tuple[str, ...], named: bool, case_name: str | None) -> list[NamedCase]:
    """Pick the cases; a case that none of the operations named by the user has is an error."""
    from workbench.cases import case_names, named_cases

    if case_name is not None and case_name not in case_names():
        raise nearest("case", case_name, case_names())
    cases = [case for name in names for case in named_cases(name) if case_name in (None, case.name)]
    for name in names if named else ():
        if not any(case.op == name for case in cases):
            has = ", ".join(case.name for case in named_cases(name))
            if not has:
                raise InputError(f"{name}: there are no named cases of it to time")
            raise InputError(f"--case {case_name}: {name} has no such case; it has {has}")
    return cases


def _bench(cases: list[NamedCase], device: str, dtypes: tuple[str, ...], budget: float) -> Document:
    from dataclasses import asdict

    from kernels import implementations
    from kernels.devices import get_device
    from workbench import render
    from workbench.benching import bench as bench_case
    from workbench.cli.progress import work_bar
    from workbench.roofline import measure_peaks

    work = [
        (case, each, dtype)
        for case in cases
        for dtype in dtypes
        for each in implementations(case.op)
        if each.device == device and each.accepts(case.shapes, case.options, dtype)
    ]
    rows: list[Row] = []
    with work_bar(render.message_console(), len(work)) as bar, compile_notices(bar.console):
        bar.show("the machine's limits", 0)
        peaks = measure_peaks() if device == "cpu" else None
        for position, (case, implementation, dtype) in enumerate(work):
            bar.show(f"{implementation.name} {case.name} {dtype}", position)
            found = bench_case(case, implementation, get_device(device), dtype=dtype, peaks=peaks, budget_s=budget)
            rows += [row.to_json() for row in found]
    return {"peaks": {} if peaks is None else {device: asdict(peaks)}, "rows": rows}


def _print(rows: list[Row], peaks: dict[str, Any]) -> None:
    from workbench import render

    for device, limits in peaks.items():
        flops = ", ".join(f"{value:,.0f} GFLOP/s {dtype}" for dtype, value in limits["gflops"].items())
        bandwidth = ", ".join(f"{value:,.0f} GB/s over {level} a thread" for level, value in limits["gbps"].items())
        click.echo(f"limits of the {device} with {limits['threads']} threads, measured: {flops}; {bandwidth}")
    columns = ("operation", "case", "implementation", "dtype", "median ms", "p20", "p80", "GFLOP/s", "GB/s", "of peak")
    table = [
        (
            row["op"],
            row["case"],
            row["implementation"],
            row["dtype"],
            *(_numbers(row) if row["verified"] else ("wrong", *[""] * 5)),
        )
        for row in rows
    ]
    if table:
        render.print_table(columns, table, right=columns[4:])
    for row in rows:
        if not row["verified"]:
            click.echo(f"{row['implementation']} is wrong on {row['case']}, not timed: {row['reason']}")


def _numbers(row: Row) -> tuple[str, ...]:
    return (
        f"{row['median_ms']:.4g}",
        f"{row['p20_ms']:.4g}",
        f"{row['p80_ms']:.4g}",
        f"{row['gflops']:.3g}",
        f"{row['gbps']:.3g}",
        _peak(row["share_of_peak"], row["bound_by"]),
    )


def _peak(share: float | None, bound_by: str) -> str:
    """Give the share of the limit that binds; above 1 the limit was disturbed when it was measured."""
    if share is None:
        return "-"
    return f"{share:.1%} {bound_by}" if share <= 1 else "invalid, above the limit"
