"""``workbench check``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import (
    ENVIRONMENT,
    FAILED,
    Document,
    Row,
    compile_notices,
    json_option,
    kernel_kind,
    on_devices,
    op_names,
)
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.sampling import Case

DEVICES = tuple(ENVIRONMENT)
EXAMPLES = {"cpu": 200, "cuda": 200, "sim": 20, "python": 50}
DTYPES = ("float32", "float64")


@click.command(epilog="Example: workbench check conv2d relu --device all --examples 100")
@click.argument("ops", metavar="[OP]...", nargs=-1)
@click.option(
    "--device",
    type=click.Choice([*DEVICES, "all"]),
    default="cpu",
    show_default=True,
    help="cpu, cuda, sim (CUDA kernels in Numba's simulator), python (bodies uncompiled), or all of them.",
)
@click.option("--dtype", type=click.Choice([*DTYPES, "all"]), default="all", show_default=True, help="Precision.")
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    help=f"Cases per operation and dtype; default {', '.join(f'{count} on {one}' for one, count in EXAMPLES.items())}.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the same cases again.")
@click.option("--replay", metavar="TOKEN", help="Run the one case that a failure printed.")
@json_option
@click.pass_context
def check(
    context: click.Context,
    ops: tuple[str, ...],
    device: str,
    dtype: str,
    examples: int | None,
    seed: int,
    replay: str | None,
    json_target: str | None,
) -> None:
    """Check the kernels against the naive reference on generated cases.

    Every result must lie within its a-priori rounding bound; the report gives the worst error as a share of that
    bound. Without OP all operations are checked. Exits with 1 when one fails.
    """
    from workbench import render

    names = op_names(ops)
    dtypes = DTYPES if dtype == "all" else (dtype,)
    case = None if replay is None else _case(replay, ops, dtype)
    arguments = ["check", *ops, "--dtype", dtype, "--seed", str(seed)]
    if examples is not None:
        arguments += ["--examples", str(examples)]
    if replay is not None:
        arguments += ["--replay", replay]

    def here(one: str) -> Document:
        if case is not None:
            return {"results": _replay(case, one)}
        return {"results": _check(names, one, dtypes, EXAMPLES[one] if examples is None else examples, seed)}

    def skipped(one: str, reason: str) -> Document:
        return {"results": _skipped(names if case is None else (case.op,), one, dtypes, reason)}

    documents = on_devices(device, DEVICES, arguments, here=here, skipped=skipped)
    rows = [row for document in documents for row in document["results"]]
    if json_target != "-":
        _print(rows)
    if json_target:
        render.write_json({"schema": 1, "results": rows}, json_target)
    if any(row["status"] == "fail" for row in rows):
        context.exit(FAILED)


def _case(token: str, ops: tuple[str, ...], dtype: str) -> Case:
    from workbench.sampling import Case

    case = Case.from_token(token)
    if ops and case.op not in ops:
        raise InputError(f"--replay: the token is of {case.op}, not of {', '.join(ops)}; leave the operation out")
    return case if dtype == "all" else replace(case, dtype=dtype)


def _check(names: tuple[str, ...], device: str, dtypes: tuple[str, ...], examples: int, seed: int) -> list[Row]:
    from hypothesis.configuration import set_hypothesis_home_dir
    from platformdirs import user_cache_path

    from kernels import implementations
    from kernels.devices import get_device
    from workbench import render
    from workbench.checking import check as check_implementation
    from workbench.cli.progress import work_bar

    # hypothesis would keep notes of its own in the user's working directory
    set_hypothesis_home_dir(user_cache_path("kernel-workbench", appauthor=False) / "hypothesis")
    kind = kernel_kind(device)
    work = [
        (each, dtype) for name in names for dtype in dtypes for each in implementations(name) if each.device == kind
    ]
    rows: list[Row] = []
    with work_bar(render.message_console(), len(work) * examples) as bar, compile_notices(bar.console):
        for position, (implementation, dtype) in enumerate(work):
            title = f"{implementation.name} {dtype} on {device}"
            bar.show(title, position * examples)

            def show(count: int, title: str = title, before: int = position * examples) -> None:
                bar.show(title, before + count)

            result = check_implementation(
                implementation,
                get_device(kind),
                label=device,
                dtype=dtype,
                examples=examples,
                seed_value=seed,
                on_example=show,
            )
            rows.append(result.to_json())
    return rows


def _replay(case: Case, device: str) -> list[Row]:
    from kernels import implementations
    from kernels.devices import get_device
    from workbench.checking import check_case

    kind = kernel_kind(device)
    return [
        check_case(each, get_device(kind), label=device, case=case).to_json()
        for each in implementations(case.op)
        if each.device == kind
    ]


def _skipped(names: tuple[str, ...], device: str, dtypes: tuple[str, ...], reason: str) -> list[Row]:
    from kernels import implementations
    from workbench.checking import CheckResult

    return [
        CheckResult(
            op=name,
            implementation=each.name,
            device=device,
            dtype=dtype,
            status="skipped",
            reason=reason,
        ).to_json()
        for name in names
        for dtype in dtypes
        for each in implementations(name)
        if each.device == kernel_kind(device)
    ]


def _print(rows: list[Row]) -> None:
    from workbench import render

    shown = [row for row in rows if row["status"] != "skipped"]
    if shown:
        columns = ("operation", "implementation", "device", "dtype", "status", "examples", "worst error / bound")
        table = [
            (
                row["op"],
                row["implementation"],
                row["device"],
                row["dtype"],
                row["status"],
                row["examples"],
                _share(row["worst_share_of_bound"]),
            )
            for row in shown
        ]
        render.print_table(columns, table, right=columns[-2:])
    absent = {row["device"]: row["reason"] for row in rows if row["status"] == "skipped"}
    for device, reason in absent.items():
        click.echo(f"{device} skipped: {reason}")
    for row in rows:
        if row["status"] == "fail":
            click.echo(_failure(row))
    counts = {status: sum(row["status"] == status for row in rows) for status in ("pass", "warn", "fail", "skipped")}
    click.echo(", ".join(f"{count} {status}" for status, count in counts.items() if count))


def _share(share: float | str | None) -> str:
    return "-" if share is None else "exact" if share == 0 else share if isinstance(share, str) else f"{share:.3f}"


def _failure(row: Row) -> str:
    found: dict[str, Any] = row["counterexample"]
    shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in found["shapes"].items())
    options = ", ".join(f"{name}={value}" for name, value in found["options"].items()) or "none"
    lines = [
        "",
        f"{row['implementation']} on {row['device']}, {row['dtype']}: {row['reason']}",
        "  the smallest failing case found:",
        f"  shapes    {shapes}",
        f"  options   {options}",
    ]
    if found["index"] is not None:
        lines.append(f"  got       {found['got']}, expected {found['expected']}, bound {found['bound']}")
    lines.append(f"  replay    workbench check {row['op']} --device {row['device']} --replay {found['replay']}")
    return "\n".join(lines) + "\n"
