"""``python -m tests.cuda_fuzz.running SEED...``: run random kernels in both simulators; print a JSON line for each.

The parent sees from a missing line which kernel ended the process.
"""

import json
import os
import sys
import warnings

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

from typing import Any

import numpy as np

from tests.cuda_fuzz.programs import BLOCKS, SIZE, THREADS, Program
from workbench.sim import simulator

KINDS = (np.float32, np.float64)


def arguments(seed: int) -> list[Any]:
    """Return the arguments of a kernel."""
    rng = np.random.default_rng(seed)
    x, z = (rng.uniform(-1, 1, SIZE).astype(KINDS[rng.integers(2)]) for _ in range(2))
    n = rng.integers(0, 50, SIZE).astype((np.int32, np.int64)[rng.integers(2)])
    k = int(rng.integers(0, 50))
    return [x, z, n, k, np.zeros(SIZE), np.zeros(SIZE, np.int64), np.zeros(4, np.int64)]


def outputs(source: str, seed: int) -> list[Any]:
    """Define a kernel and launch it; return its outputs."""
    space: dict[str, Any] = {}
    exec(compile(source, f"random_kernel_{seed}.py", "exec"), space)
    given = arguments(seed)
    space["kernel"][BLOCKS, THREADS](*given)
    return given[4:]


def compared(seed: int) -> str:
    """Return how the results of one kernel differ; "" if they do not."""
    source = Program(seed).source
    expected = outputs(source, seed)
    try:
        with simulator(seed=seed):
            found = outputs(source, seed)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    for name, one, other in zip(("yf", "yi", "counts"), found, expected, strict=True):
        if not np.allclose(one, other, rtol=1e-3, atol=1e-3):
            return f"{name} is {one.tolist()}, not {other.tolist()}"
    return ""


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for each in sys.argv[1:]:
        print(json.dumps({"seed": int(each), "fault": compared(int(each))}), flush=True)
