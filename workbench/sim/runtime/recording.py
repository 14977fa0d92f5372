"""The record of what the threads of chosen blocks do, in the order in which they do it: events of two words."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import inlined, runtime
from workbench.sim.runtime.words import get, put

_MOST_BYTES = 127


@inlined
def _append(state: int, first: int, second: int) -> None:
    """Write an event, after one that names the running thread if another thread's was the last."""
    place, thread = get(state, at.NEXT_EVENT), get(state, at.CURRENT)
    if place + 16 * at.EVENT_WORDS > get(state, at.LAST_EVENT):
        put(state, at.EVENTS_LOST, 1)
        put(state, at.RECORDING, 0)
        put(state, at.RECORDED, 0)
        return
    if thread != get(state, at.EVENT_THREAD):
        put(state, at.EVENT_THREAD, thread)
        put(place, 0, thread)
        put(place, 1, at.CHANGED << at.EVENT_KIND)
        place += 8 * at.EVENT_WORDS
    put(place, 0, first)
    put(place, 1, second)
    put(state, at.NEXT_EVENT, place + 8 * at.EVENT_WORDS)


@runtime
def record_access(state: int, region: int, address: int, size: int, kind: int) -> None:
    """Record an access; the update of a compare-and-swap is one with its read."""
    access = kind & 7
    if kind & at.COMPARES != 0:
        access = at.COMPARE_AND_SWAP
    elif access == at.UPDATES and kind & at.SETTLED != 0:
        return
    memory = at.LOCAL
    if region != 0:
        memory = get(region, at.R_KIND)
    else:
        offset = address - get(state, at.STACKS)
        if offset < 0 or offset >= get(state, at.FIBER_CAPACITY) * at.FIBER_BYTES:
            memory = at.GLOBAL
    if region != 0 and memory == at.GLOBAL:  # as a GPU has it, where memory begins at a multiple of 256 bytes
        address += (get(region, at.R_ID) + 1 << at.REGION_BITS) - get(region, at.R_ORIGIN)
    if memory == at.LOCAL and get(state, at.RECORDING) != at.WITH_LOCAL:
        return
    if memory == at.LOCAL:  # every thread has its own; the offset is what they share
        address = (address - get(state, at.STACKS)) % at.FIBER_BYTES
    _append(
        state,
        address | min(size, _MOST_BYTES) << at.EVENT_SIZE | access << at.EVENT_ACCESS | memory << at.EVENT_MEMORY,
        get(state, at.SITE) | kind >> at.PLACE << at.EVENT_PLACE,
    )


def begin_block(state: int, number: int) -> None:
    """Record that the running thread enters a basic block of the kernel."""
    if get(state, at.RECORDING) != 0:
        _append(state, number, at.BEGAN << at.EVENT_KIND)


@inlined
def record_meeting(state: int, operation: int) -> None:
    """Record a barrier, ``operation`` -1, or a warp operation."""
    if get(state, at.RECORDING) != 0:
        _append(state, operation, get(state, at.SITE) | at.MET << at.EVENT_KIND)


@inlined
def choose_recording(state: int, block: int) -> None:
    """Set whether the running thread is recorded, by its block."""
    recorded = get(state, at.RECORDED)
    put(state, at.RECORDING, 0 if recorded == 0 else get(recorded, block))
