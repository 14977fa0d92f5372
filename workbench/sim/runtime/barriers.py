"""Barriers of a block and of the grid."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import runtime
from workbench.sim.runtime.fibers import pause, rest, stop, wake
from workbench.sim.runtime.orders import learn_all
from workbench.sim.runtime.recording import record_meeting
from workbench.sim.runtime.records import block_at, thread_at
from workbench.sim.runtime.same_values import settle
from workbench.sim.runtime.standstill import note_of
from workbench.sim.runtime.words import get, put


def barrier(state: int, kind: int, value: int) -> int:
    """``syncthreads`` and its counting variants: wait for the block's threads, return their combined result."""
    record_meeting(state, -1)
    thread = get(state, at.CURRENT)
    record, block = thread_at(state, thread), get(state, at.BLOCK)
    each = block_at(state, block)
    put(record, at.STATUS, at.AT_BARRIER)
    put(record, at.WAIT_SITE, get(state, at.SITE))
    put(record, at.WAIT_KIND, kind)
    put(record, at.RESULT, 0)
    put(each, at.B_ARRIVED, get(each, at.B_ARRIVED) + 1)
    if value != 0:
        put(each, at.B_TRUE, get(each, at.B_TRUE) + 1)
    rest(state, thread)
    if get(each, at.B_ARRIVED) == get(each, at.B_LIVE):
        open_barrier(state, block)
        if get(state, at.STOPPED) != 0:
            stop(state)
    pause(state)
    return get(record, at.RESULT)


@runtime
def open_barrier(state: int, block: int) -> None:
    """Resume a block's remaining threads, which all wait at a barrier, if it is the same one."""
    size = get(state, at.THREADS_PER_BLOCK)
    each, first = block_at(state, block), block * size
    diverged(state, block)
    if get(state, at.STOPPED) != 0:
        return
    count, live = get(each, at.B_TRUE), get(each, at.B_LIVE)
    put(each, at.B_ARRIVED, 0)
    put(each, at.B_TRUE, 0)
    close_epoch(state, block)
    for tid in range(size):
        thread = first + tid
        record = thread_at(state, thread)
        if get(record, at.STATUS) == at.AT_BARRIER:
            kind, result = get(record, at.WAIT_KIND), count
            if kind == at.AND:
                result = 1 if count == live else 0
            elif kind == at.OR:
                result = 1 if count > 0 else 0
            wake(state, thread, result)
    put(state, at.IDLE, 0)


@runtime
def diverged(state: int, block: int) -> None:
    """Report a barrier that some threads reach elsewhere or never, and stop the launch.

    GPUs since Volta do not wait for threads that are gone; unless RETURN_FAILS is set, the launch goes on without them.
    """
    size = get(state, at.THREADS_PER_BLOCK)
    first, other = -1, get(block_at(state, block), at.B_GONE_THREAD)
    for tid in range(size):
        record = thread_at(state, block * size + tid)
        if get(record, at.STATUS) == at.AT_BARRIER:
            if first < 0:
                first = block * size + tid
            elif get(record, at.WAIT_SITE) != get(thread_at(state, first), at.WAIT_SITE):
                other = block * size + tid
                break
    if other >= 0:
        where = thread_at(state, other)
        status = get(where, at.STATUS)
        is_tolerated = status == at.GONE and get(state, at.RETURN_FAILS) == 0
        put(state, at.TOLERATED, 1 if is_tolerated else 0)
        note_of(state, first, at.DIVERGENT, at.AT_BARRIER, other, get(where, at.WAIT_SITE), status, 0)
        put(state, at.TOLERATED, 0)
        if not is_tolerated:
            put(state, at.STOPPED, 1)


@runtime
def close_epoch(state: int, block: int) -> None:
    """Order all past accesses of a block before all later ones, and share what its threads have learnt."""
    size = get(state, at.THREADS_PER_BLOCK)
    each = block_at(state, block)
    if get(state, at.WRITER_COUNT) > 0:
        settle(state, block)
    put(each, at.B_EPOCH, get(each, at.B_EPOCH) + 1)
    if get(state, at.HAZARDS_ON) == 0:
        return
    if get(each, at.B_FENCES) == 0 and get(state, at.RELEASE_COUNT) == 0:
        return
    dirty = 0
    for tid in range(size):
        record = thread_at(state, block * size + tid)
        dirty += get(record, at.DIRTY)
        if get(record, at.KNOWN) != 0:
            put(each, at.B_KNOWN, learn_all(state, get(each, at.B_KNOWN), get(record, at.KNOWN)))
            put(record, at.KNOWN, 0)
    if dirty == 0 and get(each, at.B_FENCES) > 0:
        put(each, at.B_FENCED_EPOCH, get(each, at.B_EPOCH))


def grid_barrier(state: int) -> None:
    """``grid.sync()``: wait for all blocks."""
    record_meeting(state, -1)
    thread = get(state, at.CURRENT)
    record = thread_at(state, thread)
    put(record, at.STATUS, at.AT_GRID)
    put(record, at.WAIT_SITE, get(state, at.SITE))
    put(state, at.GRID_ARRIVED, get(state, at.GRID_ARRIVED) + 1)
    rest(state, thread)
    open_grid(state)
    pause(state)


@runtime
def open_grid(state: int) -> None:
    """Resume all threads if all that have not returned wait at the grid's barrier, each block's first among them.

    A block's threads wait for each other, except those that have returned; then its first thread counts the block in and
    waits for the others. A block whose first thread has returned never arrives.
    """
    if get(state, at.GRID_ARRIVED) != get(state, at.LIVE) or get(state, at.BLOCKS_STARTED) != get(state, at.BLOCKS):
        return
    blocks, size, order = get(state, at.BLOCKS), get(state, at.THREADS_PER_BLOCK), get(state, at.ORDER)
    for place in range(blocks):
        if get(thread_at(state, get(order, place) * size), at.STATUS) != at.AT_GRID:
            return
    put(state, at.GRID_ARRIVED, 0)
    for place in range(blocks):
        block = get(order, place)
        close_epoch(state, block)
        put(block_at(state, block), at.B_EPOCH_AT_GRID, get(block_at(state, block), at.B_EPOCH))
    for place in range(blocks * size):
        one = get(order, place // size) * size + place % size
        if get(thread_at(state, one), at.STATUS) == at.AT_GRID:
            wake(state, one, 0)
    put(state, at.IDLE, 0)
