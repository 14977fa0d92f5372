"""What the simulator counts is what was worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from tests.counted_kernels import COUNTED, N
from workbench.sim import counting, simulator


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


def counters_of(each):
    """The counters of a launch."""
    arguments = each.arguments() if each.arguments else (np.arange(N, dtype="f4"), np.zeros(N, "f4"))
    with counting() as found:
        each.kernel[each.grid, each.block](*arguments)
    (launch,) = found
    return launch


def value(launch, name):
    """A total by its name, as COUNTED has it."""
    if isinstance(name, str):
        return getattr(launch, name)
    match name:
        case ("ways", ways):
            return sum(each.ways.get(ways, 0) for each in launch.accesses)
        case ("barriers" | "warp operations" as what, attribute):
            return sum(getattr(each, attribute) for each in launch.meetings if f"{each.what}s" == what)
        case ("warps", marked):
            source = Path(launch.accesses[0].site.file).read_text().splitlines()
            return sum(
                each.requests
                for each in launch.accesses
                if each.access == "store" and source[each.site.line - 1].endswith(f"# {marked}")
            )
    return launch.total(*name)


@pytest.mark.parametrize("name", COUNTED)
def test_counts_are_those_worked_out_by_hand(name):
    launch = counters_of(COUNTED[name])
    assert {each: value(launch, each) for each in COUNTED[name].due} == COUNTED[name].due


def test_there_are_enough():
    assert len(COUNTED) >= 40
