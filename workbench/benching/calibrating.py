"""The size from which the GPU is faster than the CPU for host arrays, copies included: ``device="auto"`` reads it."""

import json
from collections.abc import Callable, Sequence
from math import sqrt
from pathlib import Path

import numpy as np

import kernels
from kernels import OPS
from kernels.call.breakeven import calibration_file, read_calibration
from kernels.declare.op import Op
from kernels.memory.devices import CPU
from workbench.cases import BenchCase, named_cases, with_batch
from workbench.system import machine
from workbench.system.documents import MOST_BYTES
from workbench.system.errors import InputError
from workbench.system.files import atomic_path, read_regular

BATCHES = (1, 4, 16, 64, 256, 1024)
REPEATS = 9

Point = tuple[int, float, float]
"""Flops, seconds on the CPU, seconds on the GPU."""


def calibrate(ops: Sequence[str], tell: Callable[[str], None]) -> dict[str, int]:
    """Measure the break-even of operations, in flops.

    The public function is timed on host arrays with ``device="cpu"`` and ``device="cuda"``, for several batch sizes of
    LeNet's layers, so that all costs of a caller are included.
    """
    found = {}
    for name in ops:
        points = []
        for case in _ladder(name):
            points.append((OPS[name].flops(case.shapes, case.options), _seconds(case, "cpu"), _seconds(case, "cuda")))
            tell(f"{name}, {case.name}: CPU {points[-1][1] * 1e3:.3g} ms, GPU {points[-1][2] * 1e3:.3g} ms")
        if points:
            found[name] = break_even(points)
    return found


def break_even(points: Sequence[Point]) -> int:
    """Return the number of flops from which the GPU is faster.

    This is the geometric mean of the last size at which the CPU is faster and the next one; half the least size if the GPU
    is always faster, and ten times the largest if it never is.
    """
    ordered = sorted(points)
    lost = [number for number, (_, cpu, gpu) in enumerate(ordered) if gpu >= cpu]
    if not lost:
        return ordered[0][0] // 2
    if lost[-1] == len(ordered) - 1:
        return ordered[-1][0] * 10
    return round(sqrt(ordered[lost[-1]][0] * ordered[lost[-1] + 1][0]))


def store(found: dict[str, int]) -> Path:
    """Write the calibration to the file that ``kernels`` reads; entries of other operations stay."""
    path = calibration_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        known = read_calibration(json.loads(read_regular(path, MOST_BYTES)))
    except (InputError, OSError, ValueError, RecursionError):  # a damaged file is replaced
        known = {}
    content = {
        "schema": 1,
        "machine": {"cpu": machine.cpu_model(), "gpu": machine.gpu_name()},
        "break_even_flops": known | found,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _ladder(op: str) -> list[BenchCase]:
    """Return cases of growing size: the operation's first named one at several batches."""
    first = next(iter(named_cases(op)), None)
    return [] if first is None else [with_batch(first, batch) for batch in BATCHES]


def _seconds(case: BenchCase, device: str) -> float:
    op: Op = OPS[case.op]
    function, inputs = getattr(kernels, op.name), list(case.arrays("float32").values())
    times = []
    for _ in range(REPEATS + 1):
        # the host's clock: host arrays in, host arrays out
        times.append(CPU.time(lambda: function(*inputs, **case.options, device=device)) / 1e3)
    return float(np.median(times[1:]))  # the first may compile
