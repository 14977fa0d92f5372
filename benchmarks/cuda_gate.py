"""Compile every built-in CUDA kernel, in both precisions, and compare its resources with its budget. Needs no GPU.

The kernels of the training step on a device have none: they may spill nothing, and compute nothing in float64.

``python -m benchmarks.cuda_gate`` fails if a kernel exceeds ``benchmarks/cuda_budget.json``;
``--update-budget`` rewrites that file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.gpu_model.training_step import step_reports
from kernels import OPS
from workbench.cli import run
from workbench.inspecting.cuda.sass_arithmetic import is_double

COMPUTE_CAPABILITIES = "75,80,90,100"
BUDGET = Path(__file__).with_name("cuda_budget.json")


def main(more: list[str]) -> int:
    """Inspect in each precision; return the worst exit code."""
    wrong = list(_faults_of_the_step())
    for line in wrong:
        click.echo(line, err=True)
    common = [*OPS, "--device", "cuda", "--cc", COMPUTE_CAPABILITIES, "--budget", str(BUDGET), *more]
    return max(bool(wrong), *(run(["inspect", *common, "--dtype", dtype]) for dtype in ("float32", "float64")))


def _faults_of_the_step() -> Iterator[str]:
    """Yield a line for every fault of the kernels of a training step."""
    capabilities = [(int(each[:-1]), int(each[-1])) for each in COMPUTE_CAPABILITIES.split(",")]
    for report in step_reports(capabilities):
        used, name = report.resources, f"{report.kernel} of a training step on {'.'.join(map(str, report.cc))}"
        if used.spill_store_bytes or used.spill_load_bytes or used.local_bytes:
            yield f"{name}: uses local memory"
        if any(map(is_double, report.code.instructions)):
            yield f"{name}: computes in float64"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
