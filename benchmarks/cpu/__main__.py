"""The command: measures, prints the table, and writes the figures of every case."""

from __future__ import annotations

import datetime
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.cpu.rows import MEASURES, THREADS, Budget, Row
from workbench import peers
from workbench.system import machine, render

RESULTS = Path("docs/results/cpu.json")
FULL = Budget(network_s=4.0, operation_s=0.5, starts=3)
QUICK = Budget(network_s=0.5, operation_s=0.05, starts=1)


@click.command()
@click.option("--only", "names", type=click.Choice(list(MEASURES)), multiple=True, help="A part; may be repeated.")
@click.option("--quick", is_flag=True, help="Short and imprecise: does it run?")
@click.option("--json", "target", metavar="PATH|-", help=f"Where figures go; default for a whole run {RESULTS}.")
def main(names: Sequence[str], quick: bool, target: str | None) -> None:
    """Time the CPU kernels against PyTorch, in turn, and print target and figure of every row."""
    if fault := peers.missing("torch"):
        sys.exit(f"benchmarks.cpu: {fault}")
    if machine.usable_cores() < THREADS:
        sys.exit(f"benchmarks.cpu: needs {THREADS} cores; there is one")
    os.environ["NUMBA_NUM_THREADS"] = str(machine.usable_cores())
    start = time.perf_counter()
    parts: dict[str, Any] = {}
    rows: list[Row] = []
    for name, measure in MEASURES.items():
        if names and name not in names:
            continue
        part = measure(QUICK if quick else FULL, lambda line: click.echo(line, err=True))
        parts[name] = part.to_json()
        rows += part.rows
    render.print_table(("work", "target", "stretch", "measured", "verdict", "note"), map(_cells, rows))
    if target or not (names or quick):
        document = {
            "schema": 1,
            "command": shlex.join(["python", "-m", "benchmarks.cpu", *sys.argv[1:]]),
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - start),
            "threads": THREADS,
            "machine": machine.summary(),
            "versions": machine.versions() | {"torch": peers.version("torch")},
            "parts": parts,
        }
        render.write_json(document, target or str(RESULTS))


def _cells(row: Row) -> tuple[str, ...]:
    values = (row.target, row.stretch, row.measured)
    figures = ("-" if value is None else f"{value:.3g} {row.unit}" for value in values)
    return (row.work, *figures, row.verdict, row.note)


if __name__ == "__main__":
    main()
