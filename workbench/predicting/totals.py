"""The totals of counters: one line for every kernel, as ``workbench check --device sim --counters`` adds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.predicting import counting_run
from workbench.predicting.counting_run import Counted
from workbench.system.elsewhere import call_elsewhere
from workbench.system.errors import InputError
from workbench.system.process import NoAnswer
from workbench.target.command_device import SIM
from workbench.target.resolve import Target

SUMS = (
    "global_requests",
    "global_sectors",
    "global_sectors_needed",
    "shared_wavefronts",
    "shared_conflicts",
    "local_requests",
    "atomic_requests",
    "splits",
    "idle_threads",
)
"""Attributes of ``LaunchCounters`` that add up over launches."""

COLUMNS = (
    "implementation",
    "dtype",
    "case",
    "launches",
    "sectors",
    "needed",
    "wavefronts",
    "conflicts",
    "splits",
    "idle",
)


def totals(targets: Sequence[Target], dtypes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the totals of every CUDA kernel of the targets, on the first named case that it accepts.

    A kernel that cannot be counted so, because it is for another precision or has a hazard, is left out.
    """
    for target in targets:
        for dtype in dtypes:
            try:
                found = call_elsewhere(counting_run.count, [target], dtype, None, environment=SIM.environment)
            except (InputError, NoAnswer):
                continue
            yield from (_total(each) for each in found if not each.hazard)


def _total(counted: Counted) -> dict[str, Any]:
    return {
        "op": counted.op,
        "implementation": counted.implementation,
        "dtype": counted.dtype,
        "case": counted.case,
        "launches": len(counted.launches),
        "recorded_blocks": sum(len(each.recorded) for each in counted.launches),
        **{name: sum(getattr(each, name) for each in counted.launches) for name in SUMS},
    }


def cells(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return totals as text, in the order of COLUMNS."""
    shown = ("launches", "global_sectors", "global_sectors_needed", "shared_wavefronts", "shared_conflicts", "splits")
    return [
        (
            each["implementation"],
            each["dtype"],
            each["case"],
            *(f"{each[name]:,}" for name in (*shown, "idle_threads")),
        )
        for each in found
    ]
