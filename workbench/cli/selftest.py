"""``workbench check --self-test``."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import click

from workbench.system.errors import AGAINST

if TYPE_CHECKING:
    from workbench.selftest.running import Outcome

KILL_RATE = 0.98
"""Of the mutants that are not equivalent, at least so many must be caught."""


def self_test(context: click.Context, *, sample: bool, seed: int, json_target: str | None) -> None:
    """Plant faults and check right kernels; print what was caught; exit with 1 when the checker is not good enough."""
    from workbench.selftest.running import plan, run
    from workbench.sim.host.patching import absence
    from workbench.system import render
    from workbench.system.progress import work_bar

    planned = plan(sample=sample, seed=seed)
    with work_bar(render.message_console(), len(planned.trials)) as bar:
        done = 0

        def show(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            bar.show(outcome.trial.name[:60], done)

        bar.show("starting", 0)
        outcomes = run(planned.trials, seed=seed, on_outcome=show)
    mutants = [outcome for outcome in outcomes if outcome.trial.kind == "mutant"]
    elsewhere = [outcome for outcome in mutants if not outcome.executed]
    equivalent = [outcome for outcome in mutants if outcome.executed and outcome.trial.proof]
    faulty = [each for each in outcomes if each.executed and each.trial.kind != "right" and not each.trial.proof]
    right = [outcome for outcome in outcomes if outcome.trial.kind == "right"]
    needed = [outcome.examples for outcome in faulty if outcome.caught]
    summary: dict[str, Any] = {
        "faults": len(faulty),
        "caught": sum(outcome.caught for outcome in faulty),
        "kill_rate": sum(outcome.caught for outcome in faulty) / max(len(faulty), 1),
        "median_examples": median(needed) if needed else None,
        "most_examples": max(needed, default=None),
        "mutants": {
            "planted": len(mutants),
            "of": planned.mutants,
            "share": len(mutants) / max(planned.mutants, 1),
            "seed": planned.seed,
            "implementations": len({(each.trial.op, each.trial.device, each.trial.algorithm) for each in mutants}),
            "executed_elsewhere": len(elsewhere),
        },
        "equivalent": len(equivalent),
        "right_kernels": len(right),
        "right_examples": sum(outcome.examples for outcome in right),
        "false_alarms": sum(outcome.caught for outcome in right),
    }
    if json_target != "-":
        if missing := absence():
            click.echo(f"CUDA kernels skipped: {missing}")
        _print(faulty, equivalent, right, summary)
    if json_target:
        trials_json = [outcome.to_json() for outcome in outcomes]
        render.write_json({"schema": 1, "summary": summary, "trials": trials_json}, json_target)
    told_apart = any(outcome.caught for outcome in equivalent)
    if summary["kill_rate"] < KILL_RATE or summary["false_alarms"] or told_apart:
        context.exit(AGAINST)


def _print(faulty: list[Outcome], equivalent: list[Outcome], right: list[Outcome], summary: dict[str, Any]) -> None:
    from workbench.system import render

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
        for outcome in faulty
    ]
    render.print_table(columns, lines, right=("examples",))
    for title, group in (
        ("survivors", [outcome for outcome in faulty if not outcome.caught]),
        ("equivalent, and told apart all the same", [outcome for outcome in equivalent if outcome.caught]),
        ("false alarms", [outcome for outcome in right if outcome.caught]),
    ):
        for outcome in group:
            algorithm = f" ({outcome.trial.algorithm})" if outcome.trial.algorithm else ""
            click.echo(f"{title}: {outcome.trial.name}{algorithm} {outcome.trial.change}: {outcome.reason}")
    if equivalent:
        click.echo(f"\n{len(equivalent)} more mutants compute the same for every valid call, and were not told apart:")
    for outcome in equivalent:
        click.echo(f"  {outcome.trial.name}\n    {outcome.trial.proof}")
    mutants = summary["mutants"]
    click.echo(
        f"\n{mutants['planted']:,} of {mutants['of']:,} mutants planted ({mutants['share']:.1%}, seed {mutants['seed']}), "
        f"in all {mutants['implementations']} implementations; {mutants['executed_elsewhere']} of them are in functions "
        "that the implementation shares, in statements that only others execute"
    )
    click.echo(
        f"{summary['caught']} of {summary['faults']} faults caught ({summary['kill_rate']:.1%}), after a median of "
        f"{summary['median_examples']} examples, at most {summary['most_examples']}; "
        f"{summary['false_alarms']} false alarms over {summary['right_examples']:,} examples on "
        f"{len({outcome.trial.name for outcome in right})} right kernels"
    )


def _short(reason: str, width: int = 80) -> str:
    return reason if len(reason) <= width else reason[: width - 3] + "..."
