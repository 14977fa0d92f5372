"""What the simulator counts is what was worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from numba import cuda

from tests.counted_kernels import COUNTED, N
from workbench.sim import KernelHazard, counting, simulator
from workbench.sim.counting import collecting


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


def add_one(x):
    """Count the launches: twice over would show."""
    i = cuda.grid(1)
    x[i] += 1


def test_what_is_counted_has_run_once():
    kernel, x = cuda.jit(add_one), np.zeros(64, "f4")
    with counting() as found:
        kernel[2, 32](x)
        kernel[2, 32](x)
    assert len(found) == 2
    assert (x == 2).all()


def test_of_a_large_launch_the_recorded_blocks_run_alone():
    kernel, x = cuda.jit(add_one), np.zeros(40 * 32, "f4")
    with counting(most_threads=1000) as found:
        kernel[40, 32](x)
    (launch,) = found
    assert set(np.flatnonzero(x[::32])) == set(launch.recorded)
    assert {0, 20, 39} < set(launch.recorded)
    assert launch.scale == 40 / len(launch.recorded)
    assert launch.total("requests", "global", "load") == len(launch.recorded)


def test_too_little_room_is_told(monkeypatch):
    kernel, x = cuda.jit(add_one), np.zeros(64, "f4")
    monkeypatch.setattr(collecting, "EVENT_BYTES", 4096)  # 256 events: a thread has three, and one that names it
    with counting() as found:
        kernel[2, 32](x)
    assert (found[0].recorded, found[0].cut) == ((0,), False)
    monkeypatch.setattr(collecting, "EVENT_BYTES", 1024)
    with counting() as found:
        kernel[2, 32](x)
    assert (found[0].recorded, found[0].cut) == ((0,), True)
    assert found[0].total("executions", "global", "load") < 32
    assert (x == 2).all()


def test_a_view_of_device_memory_is_where_it_is():
    each = COUNTED["coalesced"]
    x, y = cuda.to_device(np.zeros(N, "f4")), np.zeros(N, "f4")
    with counting() as found:
        each.kernel[1, 32](x[1:], y)
    assert found[0].total("sectors", "global", "load") == 5


def all_write(x):
    x[0] = cuda.threadIdx.x


def test_a_launch_with_a_hazard_is_not_counted():
    with counting() as found, pytest.raises(KernelHazard):
        cuda.jit(all_write)[1, 32](np.zeros(1, "f4"))
    assert found == []
