"""The runtime's entry points, compiled once per process; simulated kernels call them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache

from workbench.sim.runtime import (
    accesses,
    barriers,
    fibers,
    orders,
    recording,
    running,
    shared_memory,
    switching,
    warps,
)
from workbench.sim.runtime.entry_points import announced, entry
from workbench.sim.runtime.symbols import publish


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Addresses of the runtime's functions, by name."""

    access: int
    begin_block: int
    barrier: int
    grid_barrier: int
    fence: int
    warp_operation: int
    active_mask: int
    shared_array: int
    outside: int
    overflow: int
    dangling: int
    decides: int
    give_up: int
    fiber_main: int
    run: int
    switch: int
    run_others: int
    tire: int


@cache
def entries() -> Entries:
    """Compile the runtime, which takes some seconds, or load it from the cache; publish its symbols."""
    with announced("the simulator"):
        made = Entries(
            access=entry(accesses.access),
            begin_block=entry(recording.begin_block),
            barrier=entry(barriers.barrier),
            grid_barrier=entry(barriers.grid_barrier),
            fence=entry(orders.fence),
            warp_operation=entry(warps.warp_operation),
            active_mask=entry(warps.active_mask),
            shared_array=entry(shared_memory.shared_array),
            outside=entry(shared_memory.outside),
            overflow=entry(shared_memory.overflow),
            dangling=entry(shared_memory.dangling),
            decides=entry(accesses.decides),
            give_up=entry(shared_memory.give_up),
            fiber_main=entry(running.fiber_main),
            run=entry(running.run),
            switch=entry(switching.switch),
            run_others=entry(fibers.run_others),
            tire=entry(accesses.tire),
        )
    for name, address in asdict(made).items():
        publish(name, address)
    return made
