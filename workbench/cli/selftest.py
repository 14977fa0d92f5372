"""``workbench check --self-test``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workbench.system.errors import AGAINST
from workbench.system.terminal import print_line, print_text

if TYPE_CHECKING:
    from workbench.selftest.summary import SelfTest

WIDTH = 80
"""The maximum width of a column of text."""


def self_test(context: click.Context, *, sample: bool, seed: int, json_target: str | None) -> None:
    """Plant faults and check right kernels; print what was caught; exit with 1 if the checker is not good enough."""
    from workbench.selftest.summary import run_self_test
    from workbench.system import render
    from workbench.target.command_device import SIM

    found = run_self_test(sample=sample, seed=seed)
    if json_target != "-":
        if missing := SIM.absence():
            print_line(f"CUDA kernels skipped: {missing}")
        _print(found)
    if json_target:
        trials = [outcome.to_json() for outcome in found.outcomes]
        render.write_json({"schema": 1, "summary": found.summary, "trials": trials}, json_target)
    if not found.is_good:
        context.exit(AGAINST)


def _print(found: SelfTest) -> None:
    from workbench.system import render

    summary = found.summary
    columns = ("fault", "operation", "device", "algorithm", "kernel", "values", "examples", "caught as")
    lines = [
        (
            outcome.trial.fault,
            outcome.trial.op,
            outcome.trial.device,
            outcome.trial.algorithm,
            _short(outcome.trial.change or outcome.trial.name),
            outcome.family if outcome.caught else "SURVIVES",
            outcome.examples,
            _short(outcome.reason),
        )
        for outcome in found.faulty
    ]
    render.print_table(columns, lines, right=("examples",))
    for title, group in (
        ("survivors", [outcome for outcome in found.faulty if not outcome.caught]),
        ("caught, although listed as equivalent", [outcome for outcome in found.equivalent if outcome.caught]),
        ("cheats not caught", [outcome for outcome in found.cheats if not outcome.caught]),
        ("false alarms", [outcome for outcome in found.right if outcome.caught]),
    ):
        for outcome in group:
            algorithm = f" ({outcome.trial.algorithm})" if outcome.trial.algorithm else ""
            print_line(f"{title}: {outcome.trial.name}{algorithm} {outcome.trial.change}: {outcome.reason}")
    if found.equivalent:
        print_text(
            f"\n{len(found.equivalent)} more mutants are equivalent: they compute the same result for every valid call:"
        )
    for outcome in found.equivalent:
        print_text(f"  {outcome.trial.name}\n    {outcome.trial.proof}")
    mutants = summary["mutants"]
    print_text(
        f"\n{mutants['planted']:,} of {mutants['of']:,} mutants planted ({mutants['share']:.1%}, seed {mutants['seed']}), "
        f"in all {mutants['implementations']} implementations; {mutants['executed_elsewhere']} of them are in statements of "
        "shared functions that only other implementations execute"
    )
    cheats = summary["cheats"]
    print_line(f"{cheats['caught']} of {cheats['tried']} cheats caught, or told where their results are right")
    print_line(
        f"{summary['caught']} of {summary['faults']} faults caught ({summary['kill_rate']:.1%}), after a median of "
        f"{summary['median_examples']} examples, at most {summary['most_examples']}; "
        f"{summary['false_alarms']} false alarms over {summary['right_examples']:,} examples on "
        f"{len({outcome.trial.name for outcome in found.right})} right kernels"
    )


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
