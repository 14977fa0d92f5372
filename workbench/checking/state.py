"""Calls in an order that shows state: a kernel may remember that it has met a NaN, and be wrong from then on."""

import dataclasses
from collections.abc import Sequence
from math import prod

import numpy as np

from workbench.sampling import Case
from workbench.sampling.layouts import CONTIGUOUS

SEEDS = 64
"""The seeds that are tried for values whose first one is a NaN or an infinity."""


def after_nonfinite(right: Sequence[Case]) -> list[Case]:
    """Return calls on the smallest arrays with a NaN, and with an infinity, at their beginning, then one on the largest.

    Parameters
    ----------
    right : calls that the kernel has made right; the last call is one of them. None are returned if they cannot be made.
    """
    small = min((case for case in right if _elements(case)), key=_elements, default=None)
    if small is None:
        return []
    first: dict[str, Case] = {}
    for seed in range(SEEDS):
        case = dataclasses.replace(small, family="special", seed=seed, layout=CONTIGUOUS)
        beginnings = [array.flat[0] for array in case.arrays().values() if array.dtype.kind == "f" and array.size]
        for kind, holds in (("nan", np.isnan), ("inf", np.isinf)):
            if any(map(holds, beginnings)):
                first.setdefault(kind, case)
    return [*first.values(), max(right, key=_elements)] if first else []


def _elements(case: Case) -> int:
    return sum(prod(shape) for shape in case.shapes.values())
