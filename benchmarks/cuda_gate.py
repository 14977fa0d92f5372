"""Compile every built-in CUDA kernel, in both precisions, and compare its resources with its budget. Needs no GPU.

``python -m benchmarks.cuda_gate`` fails if a kernel exceeds ``benchmarks/cuda_budget.json``;
``--update-budget`` rewrites that file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kernels import OPS
from workbench.cli import run

COMPUTE_CAPABILITIES = "75,80,90,100"
BUDGET = Path(__file__).with_name("cuda_budget.json")


def main(more: list[str]) -> int:
    """Inspect in each precision; return the worst exit code."""
    common = [*OPS, "--device", "cuda", "--cc", COMPUTE_CAPABILITIES, "--budget", str(BUDGET), *more]
    return max(run(["inspect", *common, "--dtype", dtype]) for dtype in ("float32", "float64"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
