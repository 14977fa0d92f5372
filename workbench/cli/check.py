"""``workbench check``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import DTYPES, chosen_dtypes, finite, json_option, writable
from workbench.system.errors import AGAINST, InputError
from workbench.system.terminal import print_line, print_text
from workbench.target.command_device import DEVICES, SIM, TIMED, CommandDevice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.target.resolve import Target

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
@click.option("--names", metavar="A=x,B=w", help="What the parameters of such a kernel are called in the operation.")
@click.option("--grid", metavar="BLOCKS", help="Its launch, if it is a CUDA kernel: 64, 8,8 or '-(-y.size // 128)'.")
@click.option("--block", metavar="THREADS", help="The threads of a block, in the same forms.")
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
    help=f"Cases per kernel and dtype; default {', '.join(f'{each.examples} on {each.name}' for each in DEVICES.values())}.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the same cases again.")
@click.option("--replay", metavar="TOKEN", help="Run the case of a token that a failure printed.")
@click.option(
    "--save", metavar="FAILURE.npz", callback=writable, help="Write the arrays of the first failure to this file."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=10.0,
    callback=finite,
    show_default=True,
    help="Seconds a call of a kernel of a file may take, compilation apart.",
)
@click.option(
    "--accumulate",
    metavar="TYPE",
    help="Judge by a lower precision that the kernel declares: float16, bfloat16, tf32, float32.",
)
@click.option(
    "--allow-same-value", is_flag=True, help="In the simulator: threads may write the same value to one element."
)
@click.option(
    "--allow-negative-index",
    is_flag=True,
    help="In the simulator: computed indices may count from the end, as x[-1] does.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="In the simulator: fail for what GPUs tolerate: a return before a barrier, a computed negative index.",
)
@click.option("--cc", metavar="X.Y", help="In the simulator: the compute capability whose limits hold.  [default: 9.0]")
@click.option(
    "--counters",
    is_flag=True,
    help="In the simulator: count what the warps of each kernel do on one case; inspect --device sim has it by line.",
)
@click.option(
    "--huge",
    is_flag=True,
    help="Call each kernel on arrays of more than 2**31 bytes too, where indices of 32 bits wrap around; takes about "
    "13 GiB of memory.",
)
@click.option("-x", "--exitfirst", is_flag=True, help="Stop at the first kernel that fails.")
@click.option("-q", "--quiet", is_flag=True, help="Print failures and the count only.")
@click.option("-v", "--verbose", is_flag=True, help="Print what each family of values shows and misses.")
@click.option("--junit", metavar="PATH", callback=writable, help="Write the results as JUnit XML.")
@click.option("--self-test", is_flag=True, help="Plant faults and report which ones the checker catches.")
@click.option("--sample", is_flag=True, help="With --self-test: a sample, in a few minutes.")
@json_option
@click.pass_context
def check(
    context: click.Context,
    targets: tuple[str, ...],
    op: str | None,
    names: str | None,
    grid: str | None,
    block: str | None,
    device: str | None,
    dtype: str,
    examples: int | None,
    seed: int,
    replay: str | None,
    save: str | None,
    timeout: float,
    accumulate: str | None,
    allow_same_value: bool,
    allow_negative_index: bool,
    strict: bool,
    cc: str | None,
    counters: bool,
    huge: bool,
    exitfirst: bool,
    quiet: bool,
    verbose: bool,
    junit: str | None,
    self_test: bool,
    sample: bool,
    json_target: str | None,
) -> None:
    """Check kernels against the naive reference on generated cases.

    Every result must lie within its a-priori rounding bound; the report gives the worst error as a share of that
    bound. A target is an operation (its built-in kernels) or a Python file with your kernels, whose parameters are
    names of the operation's inputs, options and outputs. Without a target all operations are checked. The exit code is 1
    if a check fails.
    """
    from workbench.checking.check_request import CheckRequest, default_devices, default_targets
    from workbench.checking.check_run import check_targets
    from workbench.system import render
    from workbench.target.resolve import parse_targets

    if self_test:
        from workbench.cli.selftest import self_test as run_self_test

        if targets or device or replay or save:
            raise InputError("--self-test: takes no target, device, replay or save; run it alone")
        run_self_test(context, sample=sample, seed=seed, json_target=json_target)
        return
    if sample:
        raise InputError("--sample: belongs to --self-test; add that")
    named = parse_targets(targets, op=op, accumulate=accumulate, names=names, grid=grid, block=block)
    if device is None:
        devices = default_devices(named)
    else:
        devices = tuple(DEVICES.values()) if device == "all" else (DEVICES[device],)
    flags = {
        "allow_same_value": allow_same_value,
        "allow_negative_index": allow_negative_index,
        "strict": strict,
    }
    simulation = _simulation(devices, flags, cc)
    if huge and not set(devices) & set(TIMED):
        raise InputError("--huge: is for compiled kernels, on the device cpu or cuda; leave it out")
    if counters and (SIM not in devices or replay is not None):
        raise InputError("--counters: is for the simulator, without --replay; add --device sim")
    rows, absent = check_targets(
        CheckRequest(
            targets=named or default_targets(replay),
            devices=devices,
            dtypes=chosen_dtypes(dtype),
            examples=examples,
            seed=seed,
            replay=replay,
            save=None if save is None else Path(save),
            exitfirst=exitfirst,
            huge=huge,
            timeout=timeout,
            simulation=simulation,
        )
    )
    found = _counters(rows, named or default_targets(replay)) if counters else []
    if json_target != "-":
        _print(rows, absent, quiet=quiet, legend=verbose and replay is None)
        _print_counters(found)
    if junit is not None:
        from workbench.checking.junit import write_junit

        write_junit(Path(junit), rows, [report_of_failure(row) if row["status"] == "fail" else "" for row in rows])
    render.write_json({"schema": 1, "results": rows} | ({"counters": found} if counters else {}), json_target)
    if any(row["status"] == "fail" for row in rows):
        context.exit(AGAINST)


def _counters(rows: list[dict[str, Any]], targets: Sequence[Target]) -> list[dict[str, Any]]:
    """Return the totals of the kernels that the simulator found no fault in."""
    from workbench.predicting.totals import totals

    right = [row for row in rows if row["device"] == SIM.name and row["status"] in ("pass", "warn")]
    known = {(row["op"], row["implementation"], row["dtype"]) for row in right}
    found = totals(targets, list(dict.fromkeys(row["dtype"] for row in right)))
    return [each for each in found if (each["op"], each["implementation"], each["dtype"]) in known]


def _print_counters(found: list[dict[str, Any]]) -> None:
    from workbench.predicting.totals import COLUMNS, cells
    from workbench.system import render

    if found:
        print_line()
        print_line("counters, of the blocks that are recorded:")
        render.print_table(COLUMNS, cells(found), right=COLUMNS[3:])


def _simulation(devices: tuple[CommandDevice, ...], flags: dict[str, bool], cc: str | None) -> dict[str, Any]:
    """Return the settings of the simulator; refuse them for other devices."""
    settings: dict[str, Any] = {name: True for name, given in flags.items() if given}
    for name in [*settings, *(() if cc is None else ("cc",))]:
        if SIM not in devices:
            raise InputError(f"--{name.replace('_', '-')}: is for the simulator; add --device sim")
    if cc is not None:
        from workbench.system.compute_capability import SIMULATED, parse_cc

        settings["capability"] = parse_cc(cc, SIMULATED)
    return settings


def _print(rows: list[dict[str, Any]], absent: dict[str, str], *, quiet: bool, legend: bool) -> None:
    from workbench.checking import check_report

    if not quiet:
        _print_results(rows, absent, legend=legend)
    for row in rows:
        if row["status"] == "fail":
            print_text(f"\n{report_of_failure(row)}\n")
    print_line(check_report.counts(rows))


def _print_results(rows: list[dict[str, Any]], absent: dict[str, str], *, legend: bool) -> None:
    from workbench.checking import check_report
    from workbench.system import render

    several = len({row["device"] for row in rows}) > 1
    columns, lines = check_report.matrix(rows) if several else check_report.table(rows)
    if lines:
        render.print_table(columns, lines, right=() if several else columns[-2:])
    for device, reason in absent.items():
        print_line(f"{device} skipped: {reason}")
    for row in rows:
        if row["status"] == "skipped" and row["device"] not in absent:
            print_line(f"{row['implementation']}, {row['dtype']} on {row['device']} skipped: {row['reason']}")
        if row in check_report.passed_in_part(rows):
            print_line(f"{row['implementation']}, {row['dtype']} on {row['device']}: pass, {row['reason']}")
        if row["status"] == "warn":
            print_line(f"{row['implementation']}, {row['dtype']} on {row['device']} warns: {row['reason']}")
    for line in (
        *check_report.notes(rows),
        *check_report.divergences(rows),
        *check_report.one_precision(rows),
        *(check_report.families(rows) if legend else ()),
    ):
        print_line(line)


def report_of_failure(row: dict[str, Any]) -> str:
    """Return the report of a failure, with the command that replays it."""
    from workbench.checking import check_report

    command = shlex.join(["workbench", "check", *row["target"], "--device", row["device"], "--replay"])
    return check_report.failure(row, command.replace("{", "{{").replace("}", "}}") + " {}")
