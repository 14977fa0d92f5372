"""``python -m benchmarks.gpu_model``: fails if a prediction is off by more than a factor of 1.6, the median by 1.3 or more.

On a machine with a GPU the kernels run there too, and its predictions stand beside what was measured, in docs/results.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.gpu_model.predicted import Compared, compare
from benchmarks.gpu_model.series import SERIES
from workbench.predicting.gpus import GPUS
from workbench.predicting.predicted_rows import predicted_rows
from workbench.system.files import atomic_path
from workbench.system.machine import usable_cores
from workbench.system.numbers import duration, significant
from workbench.target.resolve import Target

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "gpu_model.json"
PAGE = ROOT / "docs" / "gpu-performance.md"
BEGIN, END = "<!-- make gpu-model -->\n```text\n", "```\n<!-- end -->\n"
"""Around the part of the page that is printed here."""

MOST, MOST_MEDIAN = 1.6, 1.3
"""The largest factor between a predicted and a published time, in either direction, and the largest median."""

EQUAL = 1.02
"""Rows whose published figures are closer than this are in no order."""

STEP = (
    *("conv2d", "relu", "max_pool2d", "dense", "cross_entropy", "cross_entropy_backward", "dense_backward"),
    *("max_pool2d_backward", "relu_backward", "conv2d_backward"),
)
"""The operations of a training step of LeNet-5."""

Row = dict[str, Any]


@click.command()
@click.option("--write", is_flag=True, help="Keep the results, in docs/results/gpu_model.json and on the page.")
def main(write: bool) -> None:
    """Predict the kernels of published series, and the built-in ones in a training step of LeNet-5."""
    os.environ["NUMBA_ENABLE_CUDASIM"] = "0"
    start = time.perf_counter()
    lines: list[str] = []
    rows, wrong = [], []

    def tell(more: Iterable[str]) -> None:
        for line in more:
            lines.append(line.rstrip())
            click.echo(lines[-1])

    with ThreadPoolExecutor(usable_cores()) as pool:  # the work is done in processes of their own
        step, found = pool.submit(lambda: list(_step())), pool.map(compare, SERIES)
    for series, compared in zip(SERIES, found, strict=True):
        tell(_table(compared))
        rows += [_row(each) for each in compared]
        wrong += [f"{series.name}: {one} and {other} are in the other order" for one, other in _turned(compared)]
    for name, own in (("all", rows), ("for the test alone", [row for row in rows if not row["seen"]])):
        off = [max(row["factor"], 1 / row["factor"]) for row in own]
        tell([f"{len(own)} rows, {name}: median factor {median(off):.2f}, largest {max(off):.2f}"])
        if max(off) > MOST or median(off) >= MOST_MEDIAN:
            wrong.append(f"{name}: more than {MOST}, or a median of {MOST_MEDIAN} or more")
    tell(step.result())
    click.echo(f"{time.perf_counter() - start:.0f} s", err=True)
    text = "\n".join(lines) + "\n"
    if write:
        _write({"published": rows})
        _write_page(text)
    elif text not in PAGE.read_text():
        wrong.append(f"{PAGE.name} shows something else: python -m benchmarks.gpu_model --write")
    for line in wrong:
        click.echo(line, err=True)
    _measure()
    sys.exit(1 if wrong else 0)


def _table(compared: Sequence[Compared]) -> Iterator[str]:
    """Yield the table of a series."""
    series = compared[0].series
    yield f"{series.name}, {GPUS[series.gpu].name}, {series.unit}"
    yield f"  {series.source}"
    yield f"  {'kernel':<22}{'published':>10}{'predicted':>11}{'between':>20}{'factor':>8}  limited by"
    for each in compared:
        least, most = sorted(series.figure(each.together(name)) for name in ("least_ms", "most_ms"))
        first = each.predictions[0]
        line = "" if first.line is None else f", line {first.line[0][1]}"
        published, predicted = significant(each.row.published), significant(series.figure(each.milliseconds))
        yield (
            f"  {each.row.kernel:<22}{published:>10}{predicted:>11}{f'{significant(least)} to {significant(most)}':>20}"
            f"{each.factor:>8.2f}  {first.binds}{line}{' (seen)' if each.row.seen else ''}"
        )
    yield ""


def _step() -> Iterator[str]:
    """Yield the table of the built-in kernels in a training step of LeNet-5 with 64 samples."""
    gpu = GPUS["h100"]
    rows, _ = predicted_rows([Target(text=op) for op in STEP], "float32", "lenet-*", gpu)
    yield ""
    yield f"a training step of LeNet-5, 64 samples, {gpu.name}"
    yield f"  {'operation':<24}{'case':<11}{'launches':>8}{'predicted':>11}{'between':>22}  limited by"
    for row in rows:
        between = f"{duration(row['least_ms'])} to {duration(row['most_ms'])}"
        line = "" if row["line"] is None else f", line {row['line']}"
        yield (
            f"  {row['op']:<24}{row['case']:<11}{row['launches']:>8}{duration(row['predicted_ms']):>11}{between:>22}"
            f"  {row['limited_by']}{line}"
        )
    yield f"  all of these: {duration(sum(row['predicted_ms'] for row in rows))}"


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


def _write_page(text: str) -> None:
    """Write what is printed to the page."""
    before, found, after = PAGE.read_text().partition(BEGIN)
    assert found, f"{PAGE}: no place for it"
    with atomic_path(PAGE) as path:
        path.write_text(before + BEGIN + text + END + after.partition(END)[2])
    click.echo(f"page: {PAGE}", err=True)


def _measure() -> None:
    """Run every kernel on the GPU at hand, beside what is predicted for it, and keep the results; without one, say so."""
    from kernels.memory.devices import cuda_fault

    fault = cuda_fault()
    if fault is not None:
        click.echo(f"no GPU, nothing is measured: {fault}", err=True)
        return
    from benchmarks.gpu_model import on_gpu

    name, gpu = on_gpu.device()
    if gpu is None:
        click.echo(f"no figures of {name} are known; those that are: {', '.join(GPUS)}", err=True)
    rows: list[Row] = []
    for series in SERIES:
        for row in on_gpu.measure(series, gpu):
            rows.append(row)
            told = (
                "" if row["predicted_ms"] is None else f", predicted {row['predicted_ms']:.4g} ms: {row['factor']:.2f}"
            )
            click.echo(f"{series.name}: {row['kernel']}: measured {row['measured_ms']:.4g} ms{told}")
    _write({"gpu": {"device": name, "rows": rows}})


def _write(part: Row) -> None:
    """Write one part of the results and keep the other; without results of a GPU, the file says so."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"gpu": "unmeasured: no GPU was at hand"}
    with atomic_path(RESULTS) as path:
        path.write_text(json.dumps(known | part, indent=1) + "\n")
    click.echo(f"results: {RESULTS}")


if __name__ == "__main__":
    main()
