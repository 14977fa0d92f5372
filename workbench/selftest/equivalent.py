"""Equivalent mutants: they compute the same result for every valid call, so no checker can detect them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

from workbench.selftest.mutation import Mutant

_NO_AVERAGE = "The value is read only by kernels that average; this one does not."
_NOT_AVERAGING = tuple(f"{kind}_pool2d{way}/vectors" for kind in ("max", "sum") for way in ("", "_backward"))
_NOT_STRIDED = (
    "The gradient of x slides windows over dy with a stride of 1. Both strides are equal, and there is one phase."
)
_SLIDING = tuple(f"conv2d_backward/{name}" for name in ("bands", "batch-tiles", "channel-tiles", "depthwise"))
"""The units that compute the gradient of x by sliding windows over dy."""


@dataclass(frozen=True)
class Proof:
    """Why no valid call distinguishes a mutant from the original; ``units`` lists those for which this holds, if not all."""

    reason: str
    units: tuple[str, ...] = ()


def _read() -> dict[str, Proof]:
    text = files("workbench.selftest").joinpath("equivalent.toml").read_text(encoding="utf-8")
    return {
        name: Proof(entry["reason"], tuple(entry.get("units", ())))
        for entry in tomllib.loads(text)["proof"]
        for name in entry["mutants"]
    }


EQUIVALENT = _read()
"""Equivalent mutants by name."""


_AVERAGES = "scalars.averaged_taps ", (*_NOT_AVERAGING, "sum_pool2d/direct", "sum_pool2d_backward/direct")
"""A function whose result only averages read, and the units that reach it but do not average."""


def proof(mutant: Mutant) -> str:
    """Return why no valid call distinguishes a mutant from the original; empty if there is no such proof."""
    unit, found = f"{mutant.op}/{mutant.algorithm}", EQUIVALENT.get(mutant.name)
    if unit in _SLIDING and _is_of_strides(mutant):
        return _NOT_STRIDED
    if mutant.name.startswith(_AVERAGES[0]) and unit in _AVERAGES[1]:
        return _NO_AVERAGE
    return found.reason if found is not None and (not found.units or unit in found.units) else ""


_OF_STRIDES: dict[str, tuple[str, ...]] = {
    "pointwise._copy_row ": ("if step == 1", "if step == 2"),
}
"""Function -> beginnings of statements that matter only with a stride."""

_WITH_STRIDES = (
    "filling.fill ",
    "filling._inside ",
    "geometry._band ",
    "bands._compute ",
    "channel_tiles._compute ",
    "batch._correlate ",
    "batch._list_positions ",
    "batch_plan._make_plan ",
    "depthwise._slide ",
    "depthwise_plan.make_plan ",
)
"""Functions that receive the stride of the windows over their input."""


def _is_of_strides(mutant: Mutant) -> bool:
    """Return whether a mutant exchanges the two strides, or changes a statement that matters only with a stride."""
    if mutant.operator == "axes" and "axes: stride[" in mutant.name:
        return mutant.name.startswith(_WITH_STRIDES)
    return any(
        mutant.name.startswith(function) and mutant.before.startswith(beginnings)
        for function, beginnings in _OF_STRIDES.items()
    )
