"""``python -m benchmarks.gpu_model``: fails if a prediction is off by more than a factor of 1.6, the median by 1.3 or more.

With ``--device cuda`` the kernels run on the GPU at hand, and its predictions stand beside what was measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.gpu_model.predicted import Compared, compare
from benchmarks.gpu_model.series import SERIES
from workbench.predicting.gpus import GPUS
from workbench.system.files import atomic_path

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "gpu_model.json"

MOST, MOST_MEDIAN = 1.6, 1.3
"""The largest factor between a predicted and a published time, in either direction, and the largest median."""

EQUAL = 1.02
"""Rows whose published figures are closer than this are in no order."""

Row = dict[str, Any]


@click.command()
@click.option("--device", type=click.Choice(["sim", "cuda"]), default="sim", show_default=True)
@click.option("--write", is_flag=True, help="Keep the results in docs/results/gpu_model.json.")
def main(device: str, write: bool) -> None:
    """Predict the kernels of published series."""
    os.environ["NUMBA_ENABLE_CUDASIM"] = "0"
    if device == "cuda":
        _measure(write)
        return
    start = time.perf_counter()
    rows, wrong = [], []
    for series in SERIES:
        compared = compare(series)
        _tell(compared)
        rows += [_row(each) for each in compared]
        wrong += [
            f"{series.name}: {one} and {other} are predicted in the other order" for one, other in _turned(compared)
        ]
    for name, own in (("all", rows), ("for the test alone", [row for row in rows if not row["seen"]])):
        off = [max(row["factor"], 1 / row["factor"]) for row in own]
        click.echo(f"{len(own)} rows, {name}: median factor {median(off):.2f}, largest {max(off):.2f}")
        if max(off) > MOST or median(off) >= MOST_MEDIAN:
            wrong.append(f"{name}: more than {MOST}, or a median of {MOST_MEDIAN} or more")
    click.echo(f"{time.perf_counter() - start:.0f} s")
    for line in wrong:
        click.echo(line)
    if write:
        _write({"published": rows})
    sys.exit(1 if wrong else 0)


def _tell(compared: Sequence[Compared]) -> None:
    """Print the table of a series."""
    series = compared[0].series
    click.echo(f"{series.name}: {GPUS[series.gpu].name}, {series.unit}; published: {series.source}")
    click.echo(f"  {'kernel':<22}{'published':>10}{'predicted':>11}{'between':>20}{'factor':>8}  limited by")
    for each in compared:
        least, most = sorted(series.figure(each.together(name)) for name in ("least_ms", "most_ms"))
        first = each.predictions[0]
        line = "" if first.line is None else f", line {first.line[0][1]}"
        click.echo(
            f"  {each.row.kernel:<22}{each.row.published:>10,.4g}{series.figure(each.milliseconds):>11,.4g}"
            f"{f'{least:,.4g} to {most:,.4g}':>20}{each.factor:>8.2f}  {first.binds}{line}{'' if each.row.seen else ' *'}"
        )
    click.echo("  * for the test alone\n")


def _row(each: Compared) -> Row:
    return {
        "series": each.series.name,
        "kernel": each.row.kernel,
        "gpu": each.series.gpu,
        "published_ms": each.series.milliseconds(each.row.published),
        "predicted_ms": each.milliseconds,
        "factor": each.factor,
        "seen": each.row.seen,
        "limited_by": each.predictions[0].binds,
    }


def _turned(compared: Sequence[Compared]) -> list[tuple[str, str]]:
    """Return the pairs of kernels that are predicted in another order than was published."""
    found = []
    for one, other in combinations(compared, 2):
        published = one.row.published / other.row.published
        predicted = other.milliseconds / one.milliseconds
        if max(published, 1 / published) >= EQUAL and (published > 1) != (predicted > 1):
            found.append((one.row.kernel, other.row.kernel))
    return found


def _measure(write: bool) -> None:
    """Run every kernel on the GPU at hand, beside what is predicted for it."""
    from kernels.memory.devices import cuda_fault

    fault = cuda_fault()
    if fault is not None:
        click.echo(f"gpu-model: --device cuda: {fault}; make gpu-model needs no GPU", err=True)
        sys.exit(2)
    from benchmarks.gpu_model import on_gpu

    name, gpu = on_gpu.device()
    if gpu is None:
        click.echo(f"gpu-model: no figures of {name} are known; those that are: {', '.join(GPUS)}", err=True)
    rows: list[Row] = []
    for series in SERIES:
        for row in on_gpu.measure(series, gpu):
            rows.append(row)
            told = (
                "" if row["predicted_ms"] is None else f", predicted {row['predicted_ms']:.4g} ms: {row['factor']:.2f}"
            )
            click.echo(f"{series.name}: {row['kernel']}: measured {row['measured_ms']:.4g} ms{told}")
    if write:
        _write({"gpu": {"device": name, "rows": rows}})


def _write(part: Row) -> None:
    """Write one part of the results and keep the other; without results of a GPU, the file says so."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"gpu": "unmeasured: no GPU was at hand"}
    with atomic_path(RESULTS) as path:
        path.write_text(json.dumps(known | part, indent=1) + "\n")
    click.echo(f"results: {RESULTS}")


if __name__ == "__main__":
    main()
