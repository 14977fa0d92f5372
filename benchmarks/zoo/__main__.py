"""``python -m benchmarks.zoo --device sim|cuda``: fails where a fault is missed or a right kernel raises an alarm."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

RESULTS = Path(__file__).parent.parent.parent / "docs" / "results" / "zoo.json"


@click.command()
@click.option("--device", type=click.Choice(["sim", "cuda"]), default="sim", show_default=True)
@click.option("--schedules", type=click.IntRange(min=1), default=20, show_default=True, help="Orders of threads.")
@click.option("--write", is_flag=True, help="Keep the results in docs/results/zoo.json.")
@click.option("--one", hidden=True, help="Launch this kernel on the GPU, in this process.")
def main(device: str, schedules: int, write: bool, one: str | None) -> None:
    """Run the zoo of CUDA kernels."""
    os.environ["NUMBA_ENABLE_CUDASIM"] = "1" if device == "sim" else "0"
    if device == "sim":
        _simulate(schedules, write)
        return
    from kernels.memory.devices import cuda_fault

    fault = cuda_fault()
    if fault is not None:
        click.echo(f"zoo: --device cuda: {fault}; make sim-zoo needs no GPU", err=True)
        sys.exit(2)
    from benchmarks.zoo import on_gpu

    if one is not None:
        on_gpu.one(one)
        return
    rows = on_gpu.run(lambda row: click.echo(f"{row['name']}: {row['run']}", err=True))
    broken = [row["name"] for row in rows if not row["fault"] and row["run"] != "right"]
    for row in rows:
        click.echo(f"{row['fault'] or 'right':<18} {row['name']:<36} {row['run']}  {row['sanitizer'] or ''}")
    click.echo(
        f"{len(rows)} kernels; of the right ones {len(broken)} gave another result: {', '.join(broken) or 'none'}"
    )
    if write:
        _write({"gpu": {"device": _gpu_name(), "rows": rows}})
    sys.exit(1 if broken else 0)


def _simulate(schedules: int, write: bool) -> None:
    from benchmarks.zoo import simulated

    start = time.perf_counter()
    seen = 0

    def tell(outcome: simulated.Outcome) -> None:
        nonlocal seen
        seen += 1
        if outcome.wrong:
            click.echo(f"{outcome.fault or 'right'} {outcome.name} ({outcome.file}): {outcome.wrong}")
        elif sys.stderr.isatty():
            click.echo(f"\r{seen} kernels", nl=False, err=True)

    outcomes = simulated.run(schedules, tell)
    faulty = [each for each in outcomes if each.fault]
    right = [each for each in outcomes if not each.fault]
    wrong = [each for each in outcomes if each.wrong]
    for kind in dict.fromkeys(each.fault for each in faulty):
        of_kind = [each for each in faulty if each.fault == kind]
        always = sum(each.found == each.schedules for each in of_kind)
        click.echo(
            f"{kind:<18} {sum(not each.wrong for each in of_kind)} of {len(of_kind)} found at the right line, "
            f"{always} in every schedule"
        )
    alarms = sum(each.schedules - each.found for each in right)
    runs = sum(each.schedules for each in right)
    seconds = time.perf_counter() - start
    click.echo(
        f"right              {alarms} alarms in {runs:,} runs of {len(right)} kernels, "
        f"{sum(not each.file for each in right)} of them built in; {schedules} schedules each; {seconds:.0f} s"
    )
    if write:
        rows = [
            {name: getattr(each, name) for name in ("name", "file", "fault", "found", "schedules")} for each in outcomes
        ]
        _write({"sim": {"schedules": schedules, "rows": rows}})
    sys.exit(1 if wrong else 0)


def _gpu_name() -> str:
    from numba import cuda

    return str(cuda.get_current_device().name)


def _write(part: dict[str, Any]) -> None:
    """Put one device's part into the file of results, beside the other's; without a GPU that says so."""
    import json

    from workbench.system.files import atomic_path

    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"gpu": "unmeasured: no GPU was at hand"}
    with atomic_path(RESULTS) as path:
        path.write_text(json.dumps(known | part, indent=1) + "\n")
    click.echo(f"results: {RESULTS}")


if __name__ == "__main__":
    main()
