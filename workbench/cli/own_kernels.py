"""Kernels of files in ``workbench train``: their check before the training, and the comparison with the built-in ones."""

from collections.abc import Sequence

from workbench.beside import report
from workbench.checking import check_report
from workbench.checking.check_request import CheckRequest
from workbench.checking.check_run import check_targets
from workbench.cli.check import report_of_failure
from workbench.network.record import RunRecord
from workbench.system.errors import VerdictAgainst
from workbench.system.render import print_table
from workbench.system.terminal import print_line, print_text
from workbench.target.command_device import CommandDevice
from workbench.target.resolve import Target

PRECISION = "float32"
"""Networks compute in it."""


def check_first(targets: tuple[Target, ...], device: CommandDevice) -> None:
    """Check the kernels of files as ``workbench check`` does, in the precision of a network, and print a line for each.

    Raises
    ------
    VerdictAgainst
        A kernel fails; the report of the failure is printed before.
    InputError
        The device is absent, or a file cannot be checked.
    """
    rows, _ = check_targets(CheckRequest(targets=targets, devices=(device,), dtypes=(PRECISION,)))
    failed = [row for row in rows if row["status"] == "fail"]
    for row in failed:
        print_text(f"{report_of_failure(row)}\n")
    if failed:
        names = _listed(list(dict.fromkeys(row["implementation"] for row in failed)))
        raise VerdictAgainst(
            f"{names} fail{'s' * (len(failed) == 1)} the check, nothing was trained; --no-check trains all the same"
        )
    for row in rows:
        if row["status"] == "skipped":
            print_line(f"{row['implementation']} is not checked: {row['reason']}")
        else:
            share = check_report.share(row["worst_share_of_bound"])
            print_line(
                f"{row['implementation']} passes the check: {row['examples']} cases, error / bound {share}"
                + f"; {row['reason']}" * bool(row["reason"])
            )


def print_comparison(record: RunRecord) -> None:
    """Print how a training with the kernels compares with the built-in one."""
    beside = record["beside"]
    for columns, lines in (report.results(record), report.errors(beside)):
        print_line("")
        print_table(columns, lines, right=columns[-4:] if len(columns) > 3 else columns[1:])
    print_line("")
    for line in report.verdict(beside):
        print_line(line)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
