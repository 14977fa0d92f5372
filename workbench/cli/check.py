"""``workbench check``."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import (
    ENVIRONMENT,
    FAILED,
    Document,
    Row,
    absence,
    compile_notices,
    json_option,
    on_devices,
    writable,
)
from workbench.system.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.checking import CheckResult
    from workbench.checking.check_run import Entry, Request
    from workbench.cli.progress import WorkBar
    from workbench.sampling import Case

DEVICES = tuple(ENVIRONMENT)
EXAMPLES = {"cpu": 200, "cuda": 200, "sim": 100, "python": 50}
DTYPES = ("float32", "float64")

EPILOG = """\b
Examples:
  workbench check                                     all built-in kernels, on the CPU
  workbench check conv2d relu --device all
  workbench check my_conv.py:my_conv --op conv2d      a kernel of yours
  workbench check my_kernels.py --device all          all that @implements decorates
  workbench check --self-test                         does the checker catch faults?
"""


@click.command(epilog=EPILOG)
@click.argument("targets", metavar="[OP|FILE.py[:NAME]]...", nargs=-1)
@click.option("--op", metavar="OP", help="The operation of a kernel that @implements does not decorate.")
@click.option(
    "--device",
    type=click.Choice([*DEVICES, "all"]),
    help="cpu, cuda, sim (CUDA kernels in the simulator, every access watched), python (bodies uncompiled), or all of "
    "them.  [default: cpu; for CUDA kernels of a file cuda, or sim without a GPU]",
)
@click.option("--dtype", type=click.Choice([*DTYPES, "all"]), default="all", show_default=True, help="Precision.")
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    help=f"Cases per kernel and dtype; default {', '.join(f'{count} on {one}' for one, count in EXAMPLES.items())}.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the same cases again.")
@click.option("--replay", metavar="TOKEN", help="Run the one case that a failure printed.")
@click.option("--save", metavar="FAILURE.npz", callback=writable, help="Write the arrays of the first failure.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Seconds a case may take on a kernel of a file, compilation apart.",
)
@click.option(
    "--accumulate",
    metavar="TYPE",
    help="Judge by a lower precision that the kernel declares: float16, bfloat16, tf32, float32.",
)
@click.option("--allow-same-value", is_flag=True, help="In the simulator: threads may write one value to one element.")
@click.option("--cc", metavar="X.Y", help="In the simulator: the compute capability whose limits hold.  [default: 9.0]")
@click.option("--self-test", is_flag=True, help="Plant faults, and say which the checker catches.")
@click.option("--sample", is_flag=True, help="With --self-test: a part of it, in a few minutes.")
@click.option("--partial", is_flag=True, hidden=True, help="One device of several: a file may have nothing for it.")
@json_option
@click.pass_context
def check(
    context: click.Context,
    targets: tuple[str, ...],
    op: str | None,
    device: str | None,
    dtype: str,
    examples: int | None,
    seed: int,
    replay: str | None,
    save: str | None,
    timeout: float,
    accumulate: str | None,
    allow_same_value: bool,
    cc: str | None,
    self_test: bool,
    sample: bool,
    partial: bool,
    json_target: str | None,
) -> None:
    """Check kernels against the naive reference on generated cases.

    Every result must lie within its a-priori rounding bound; the report gives the worst error as a share of that
    bound. A target is an operation (its built-in kernels) or a Python file with kernels of yours, whose parameters are
    names of the operation's inputs, options and outputs; without one all operations are checked. Exits with 1 when a
    check fails.
    """
    from workbench.checking.check_run import Request
    from workbench.system import render

    if self_test:
        from workbench.cli.selftest import self_test as run_self_test

        if targets or device or replay or save:
            raise InputError("--self-test: takes no target, device, replay or save; run it alone")
        run_self_test(context, sample=sample, seed=seed, json_target=json_target)
        return
    if sample:
        raise InputError("--sample: belongs to --self-test; add that")
    if not math.isfinite(timeout):
        raise InputError(f"--timeout: {timeout} is no time; give seconds")
    _check_precision(accumulate)
    names = _targets(targets, op, accumulate)
    devices = DEVICES if device in (None, "all") else (device,)
    if device is None:
        devices = _default_devices(names, op)
        device = devices[0] if len(devices) == 1 else "all"
    partial = partial or device == "all"
    dtypes = DTYPES if dtype == "all" else (dtype,)
    simulation = _simulation(devices, allow_same_value, cc)

    def here(one: str) -> Document:
        wanted = names if names or replay is None else (_operation_of(replay),)
        request = Request(
            targets=wanted or _all_operations(),
            label=one,
            op=op,
            accumulate=accumulate,
            timeout=timeout,
            partial=partial,
            simulation=simulation if one == "sim" else {},
        )
        count = EXAMPLES[one] if examples is None else examples
        return {"results": _check(request, dtypes, count, seed, replay, dtype, save)}

    given: dict[str, Any] = {
        "--op": op,
        "--examples": examples,
        "--replay": replay,
        "--accumulate": accumulate,
        "--cc": cc,
    }
    arguments = ["check", *targets, "--dtype", dtype, "--seed", str(seed), "--timeout", str(timeout)]
    arguments += [str(part) for option, value in given.items() if value is not None for part in (option, value)]
    arguments += ["--partial"] if partial else []
    arguments += ["--allow-same-value"] if allow_same_value else []
    arguments += ["--save", save] if save is not None else []
    documents, absent = on_devices(device, devices, arguments, here)
    rows = [row for document in documents for row in document["results"]]
    rows += _absent_rows(rows, absent)
    if json_target != "-":
        _print(rows, absent, legend=replay is None)
    if json_target:
        render.write_json({"schema": 1, "results": rows}, json_target)
    if any(row["status"] == "fail" for row in rows):
        context.exit(FAILED)


def _simulation(devices: tuple[str, ...], allow_same_value: bool, cc: str | None) -> dict[str, Any]:
    """Return the simulator's settings; they are for that alone."""
    for option, given in (("--allow-same-value", allow_same_value), ("--cc", cc is not None)):
        if given and "sim" not in devices:
            raise InputError(f"{option}: is for the simulator; add --device sim")
    settings: dict[str, Any] = {"allow_same_value": True} if allow_same_value else {}
    if cc is not None:
        from workbench.system.compute_capability import parse_cc

        settings["capability"] = parse_cc(cc)
    return settings


def _check_precision(accumulate: str | None) -> None:
    if accumulate is not None:
        from workbench.oracle.bounds import ACCUMULATE

        if accumulate not in ACCUMULATE:
            raise nearest("precision", accumulate, list(ACCUMULATE))


def _targets(targets: tuple[str, ...], op: str | None, accumulate: str | None) -> tuple[str, ...]:
    """Check the targets' form; operations must be there, files are looked at when they are loaded."""
    from kernels import OPS
    from workbench.target.file import is_file_target

    files = [target for target in targets if is_file_target(target)]
    for target in targets:
        if target not in files and target not in OPS:
            raise nearest("operation", target, list(OPS))
    for option, value in (("--op", op), ("--accumulate", accumulate)):
        if value is not None and not files:
            raise InputError(f"{option}: is for a kernel of yours; name its file, FILE.py:NAME")
    return tuple(dict.fromkeys(targets))


def _all_operations() -> tuple[str, ...]:
    from kernels import OPS

    return tuple(OPS)


def _operation_of(token: str) -> str:
    from workbench.sampling import Case

    return Case.from_token(token).op


def _default_devices(targets: tuple[str, ...], op: str | None) -> tuple[str, ...]:
    """Return the CPU, and for CUDA kernels of files the GPU, or the simulator where there is none."""
    from workbench.target.file import is_file_target, load_file

    kinds = {"cpu"} if not targets else set()
    for target in targets:
        found = load_file(target, op=op).kernels if is_file_target(target) else ()
        kinds |= {kernel.device for kernel in found} or {"cpu"}
    on_cuda = "sim" if absence("cuda") else "cuda"
    return tuple({"cpu": "cpu", "cuda": on_cuda}[kind] for kind in sorted(kinds))


def _check(
    request: Request,
    dtypes: tuple[str, ...],
    examples: int,
    seed: int,
    replay: str | None,
    dtype: str,
    save: str | None,
) -> list[Row]:
    from hypothesis.configuration import set_hypothesis_home_dir
    from platformdirs import user_cache_path

    from workbench.checking.check_run import declarations, entries
    from workbench.cli.progress import work_bar
    from workbench.system import render

    # hypothesis would keep notes of its own in the user's working directory
    set_hypothesis_home_dir(user_cache_path("kernel-workbench", appauthor=False) / "hypothesis")
    console = render.message_console()
    with compile_notices(console) as notices, entries(request, notices.tell) as found:
        case = None if replay is None else _case(replay, found, dtype)
        work = [
            (entry, one)
            for entry in found
            for one in ((case.dtype,) if case else dtypes)
            if case is None or entry.subject.implementation.op == case.op
        ]
        rows: list[Row] = []
        if case is None:
            declared = declarations(request)
            wrong = {result.op for _, result in declared if result.status == "fail"}
            if not request.partial or request.label == "cpu":  # told once
                rows += [result.to_json() | {"target": [target]} for target, result in declared]
            work = [(_unless_wrong(entry, wrong), one) for entry, one in work]
        with work_bar(console, len(work) * examples) as bar:
            for position, (entry, one) in enumerate(work):
                result = _one(entry, one, case, examples, seed, bar, position * examples)
                rows.append(result.to_json() | {"target": list(entry.arguments)})
                if save is not None and result.counterexample is not None:
                    _save(save, request, entry, result)
                    save = None
        for worker in {entry.worker for entry in found if entry.worker is not None}:
            if replay is not None and (printed := worker.printed()):
                click.echo(printed.rstrip("\n"), err=True)
    return rows


def _unless_wrong(entry: Entry, wrong: set[str]) -> Entry:
    """Leave out a kernel of an operation whose declaration is wrong: nothing can be judged by that."""
    if entry.subject.implementation.op not in wrong:
        return entry
    return replace(entry, absent="the declaration of its operation fails: nothing can be judged by it")


def _one(
    entry: Entry, dtype: str, case: Case | None, examples: int, seed: int, bar: WorkBar, before: int
) -> CheckResult:
    from workbench.checking import CheckResult, check_case
    from workbench.checking import check as check_kernel

    implementation, label = entry.subject.implementation, entry.subject.label
    title = f"{implementation.name} {dtype} on {label}"
    bar.show(title, before)
    if entry.absent:
        return CheckResult(
            op=implementation.op,
            implementation=implementation.name,
            device=label,
            dtype=dtype,
            status="skipped",
            reason=entry.absent,
        )
    if case is not None:
        return check_case(entry.subject, entry.runner, case, entry.passes)
    return check_kernel(
        entry.subject,
        entry.runner,
        dtype=dtype,
        examples=examples,
        seed_value=seed,
        on_example=lambda count: bar.show(title, before + count),
        passes=entry.passes,
    )


def _case(token: str, found: Iterable[Entry], dtype: str) -> Case:
    """Read a token; its operation must be among those of the targets."""
    from workbench.sampling import Case

    case = Case.from_token(token)
    there = {entry.subject.implementation.op for entry in found}
    if there and case.op not in there:
        raise InputError(
            f"--replay: the token is of {case.op}, not of {', '.join(sorted(there))}; leave the target out"
        )
    return case if dtype == "all" else replace(case, dtype=dtype)


def _save(target: str, request: Request, entry: Entry, result: CheckResult) -> None:
    from workbench.checking.saving import save_failure
    from workbench.sampling import Case

    assert result.counterexample is not None
    path = Path(target)
    if request.partial:
        path = path.with_stem(f"{path.stem}-{request.label}")
    case = Case.from_token(result.counterexample.replay)
    save_failure(path, case, entry.runner, result.reason, entry.subject.accumulate)
    click.echo(f"saved the failing arrays in {path}", err=True)


def _absent_rows(rows: list[Row], absent: dict[str, str]) -> list[Row]:
    """Return a skipped row on every absent device for each kernel that was seen on a device of its kind."""
    twins = {"cuda": "sim", "sim": "cuda", "cpu": "python", "python": "cpu"}
    blank: dict[str, Any] = {"examples": 0, "worst_share_of_bound": None, "counterexample": None}
    return [
        row | blank | {"notes": [], "families": {}, "device": device, "status": "skipped", "reason": reason}
        for device, reason in absent.items()
        for row in rows
        if row["device"] == twins[device]
    ]


def _print(rows: list[Row], absent: dict[str, str], *, legend: bool) -> None:
    from workbench.checking import check_report
    from workbench.system import render

    several = len({row["device"] for row in rows}) > 1
    columns, lines = check_report.matrix(rows) if several else check_report.table(rows)
    if lines:
        render.print_table(columns, lines, right=() if several else columns[-2:])
    for device, reason in absent.items():
        click.echo(f"{device} skipped: {reason}")
    for row in rows:
        if row["status"] == "skipped" and row["device"] not in absent:
            click.echo(f"{row['implementation']}, {row['dtype']} on {row['device']} skipped: {row['reason']}")
        if row["status"] == "warn":
            click.echo(f"{row['implementation']}, {row['dtype']} on {row['device']} warns: {row['reason']}")
    for line in (
        *check_report.notes(rows),
        *check_report.divergences(rows),
        *(check_report.families(rows) if legend else ()),
    ):
        click.echo(line)
    for row in rows:
        if row["status"] == "fail":
            command = shlex.join(["workbench", "check", *row["target"], "--device", row["device"], "--replay"])
            replay = command.replace("{", "{{").replace("}", "}}") + " {}"
            click.echo(f"\n{check_report.failure(row, replay)}\n")
    click.echo(check_report.counts(rows))
