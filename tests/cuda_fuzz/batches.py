"""Run random kernels in child processes: one that ends the process is a fault like any other."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def faults(seeds: list[int], timeout_s: float) -> Iterator[tuple[int, str]]:
    """Yield the seeds of kernels, and what is wrong with each; "" for nothing."""
    left = list(seeds)
    while left:
        done = subprocess.run(
            [sys.executable, "-m", "tests.cuda_fuzz.running", *map(str, left)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        found = [json.loads(line) for line in done.stdout.splitlines()]
        yield from ((each["seed"], each["fault"]) for each in found)
        left = left[len(found) :]
        if left:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            yield left.pop(0), f"the process ended with {done.returncode}: {last}"
