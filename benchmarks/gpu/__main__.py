"""``python -m benchmarks.gpu``: verify and measure everything on the GPU at hand; ``--predict GPU``: predict it for one.

``--simulate`` runs the script on small sizes in the simulator, whose times mean nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.gpu.targets import TARGETS, mean_share
from workbench.predicting.gpus import GPUS
from workbench.system.files import atomic_path
from workbench.system.numbers import significant

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "gpu.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- make bench-gpu -->\n", "<!-- end -->\n"
"""Around the table in README."""

UNMEASURED = "unmeasured: no GPU was at hand"
CHECK_SECONDS = 200
"""The most that the check of all kernels may take of the eight minutes."""


@click.command()
@click.option("--predict", "named", type=click.Choice(list(GPUS)), help="Predict for a GPU; nothing is measured.")
@click.option("--simulate", is_flag=True, help="Try the script in the simulator, on small sizes; nothing is kept.")
@click.option("--write", is_flag=True, help="Keep the results, in docs/results/gpu.json and in README.")
def main(named: str | None, simulate: bool, write: bool) -> None:
    """Compare the CUDA kernels, and the training on a device, with their targets."""
    start = time.perf_counter()
    if named is not None:
        found = {"predicted": _predicted(named)}
    else:
        found = {"measured": _measured(simulate=simulate)}
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"measured": UNMEASURED}
    results = known | found
    click.echo(_table(results) if not simulate else "simulated: the times mean nothing")
    click.echo(f"{time.perf_counter() - start:.0f} s", err=True)
    if write and not simulate:
        with atomic_path(RESULTS) as path:
            path.write_text(json.dumps(results, indent=1) + "\n")
        before, _, after = README.read_text().partition(BEGIN)
        with atomic_path(README) as path:
            path.write_text(before + BEGIN + _table(results) + END + after.partition(END)[2])


def _predicted(name: str) -> dict[str, Any]:
    from benchmarks.gpu.predicted import predict

    return predict(GPUS[name])


def _measured(*, simulate: bool) -> dict[str, Any]:
    """Verify, then measure; end with one line where there is no GPU."""
    from kernels.memory.devices import cuda_fault

    if simulate:
        from workbench.sim import simulator

        with simulator(hazards=False):
            return _run(None, "the simulator", small=True)
    os.environ["NUMBA_ENABLE_CUDASIM"] = "0"
    fault = cuda_fault()
    if fault is not None:
        click.echo(f"no GPU, nothing is measured: {fault}; python -m benchmarks.gpu --predict h100 predicts", err=True)
        sys.exit(2)
    from benchmarks.gpu_model.on_gpu import device

    name, gpu = device()
    _verify()
    return _run(gpu, name, small=False)


def _verify() -> None:
    """Check every built-in kernel on the GPU; end if one is wrong."""
    command = [sys.executable, "-m", "workbench", "check", "--device", "cuda", "--examples", "20"]
    done = subprocess.run(command, timeout=CHECK_SECONDS, check=False)
    if done.returncode != 0:
        click.echo("the kernels are not right here; nothing is measured", err=True)
        sys.exit(1)


def _run(gpu: Any, name: str, *, small: bool) -> dict[str, Any]:
    from benchmarks.gpu import measured, on_torch

    rows = []
    for row in measured.kernels_of(gpu, small=small):
        rows.append(row)
        share = "" if row["share"] is None else f", {row['share']:.0f} % of the limit"
        click.echo(f"{row['op']} {row['case']} {' '.join(row['outputs'])}: {row['ms']:.4g} ms{share}", err=True)
    epochs = dict(measured.epochs(small=small))
    theirs = {} if small else on_torch.epochs()
    ours = min(epochs.values())
    figures = {"epoch": ours, "launch": measured.launch_us(small=small)}
    figures |= {key: value / ours for key, value in theirs.items()}
    for key in ("conv2d", "dense", "bandwidth"):
        shares = [row["share"] for row in rows if row["key"] == key and row["share"] is not None]
        if shares:
            figures[key] = mean_share(shares)
    return {
        "gpu": name,
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "epochs_ms": epochs | theirs,
        "rows": rows,
    }


def _table(results: Mapping[str, Any]) -> str:
    """Return the targets, with what is predicted and measured, as Markdown."""
    predicted, measured = results.get("predicted"), results["measured"]
    on = UNMEASURED if isinstance(measured, str) else f"measured, {measured['gpu']}, {measured['date']}"
    lines = [
        f"| work | target | stretch | one launch at the peak | predicted, {predicted['gpu'] if predicted else '-'} | {on} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    limits = {"figures": predicted["limits"]} if predicted else None
    for each in TARGETS:
        cells = [f"{each.goal:g} {each.unit}", f"{each.stretch:g} {each.unit}"]
        for figures in (limits, predicted, measured):
            value = figures["figures"].get(each.key) if isinstance(figures, dict) else None
            cells.append("-" if value is None else f"{significant(value)} {each.unit}")
        lines.append(f"| {each.name} | {' | '.join(cells)} |")
    return re.sub(r" x\b", "", "\n".join(lines)) + "\n"


if __name__ == "__main__":
    main()
