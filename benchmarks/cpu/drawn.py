"""Convolutions that stand in no list, drawn from a seed: shapes as networks have them, but no particular network's."""

from __future__ import annotations

from math import exp, log

import numpy as np

from kernels import OPS
from kernels.declare.errors import KernelsError
from workbench.cases import BenchCase
from workbench.cases.timed_case import bench_case

COUNT, SEED = 20, 19

LEAST_FLOPS, MOST_FLOPS = 5e6, 5e8
"""Of the forward pass: about 0.05 and 5 ms on one core."""


def drawn_convolutions(count: int = COUNT, seed: int = SEED) -> list[BenchCase]:
    """Return cases of conv2d with 8 to 256 channels, images of 7 to 64 pixels, stride 1 or 2, and some groups."""
    rng = np.random.default_rng(seed)
    found: list[BenchCase] = []
    while len(found) < count:
        case = _drawn(rng, f"drawn-{len(found) + 1}")
        if case is not None and LEAST_FLOPS <= OPS["conv2d"].flops(case.shapes, case.options) <= MOST_FLOPS:
            found.append(case)
    return found


def _drawn(rng: np.random.Generator, name: str) -> BenchCase | None:
    def scaled(low: int, high: int) -> int:
        """Return a number that is as often in one octave as in another."""
        return round(exp(rng.uniform(log(low), log(high))))

    groups = int(rng.choice([1, 1, 1, 2, 4]))
    channels, outputs = (-(-scaled(8, 256) // groups) * groups for _ in range(2))
    size, kernel = scaled(7, 64), int(rng.choice([1, 3, 3, 3, 5]))
    shapes = {
        "x": (int(rng.choice([1, 2, 4, 8, 16])), channels, size, size),
        "w": (outputs, channels // groups, kernel, kernel),
        "b": (outputs,),
    }
    options = {"stride": int(rng.choice([1, 1, 2])), "padding": int(rng.integers(0, kernel // 2 + 1)), "groups": groups}
    try:
        return bench_case(name, OPS["conv2d"], shapes, options)
    except KernelsError:
        return None  # no window fits
