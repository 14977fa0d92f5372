"""Warp operations: the collective operations of the lanes of a mask."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import runtime
from workbench.sim.runtime.fibers import pause, rest, stop, wake
from workbench.sim.runtime.orders import learn_all, tick
from workbench.sim.runtime.recording import record_meeting
from workbench.sim.runtime.records import thread_at, warp_at
from workbench.sim.runtime.standstill import explain_absence
from workbench.sim.runtime.words import get, get32, put, put32


@runtime
def first_of_warp(state: int, thread: int) -> int:
    """Return the first thread of a thread's warp."""
    size = get(state, at.THREADS_PER_BLOCK)
    return thread - (thread % size) % at.WARP


@runtime
def lanes_of_warp(state: int, first: int) -> int:
    """Return the number of lanes of the warp that begins with ``first``; a block's last may have fewer than 32."""
    size = get(state, at.THREADS_PER_BLOCK)
    return min(at.WARP, size - first % size)


def active_mask(state: int) -> int:
    """``activemask``: the lanes that reach this line together, once all others of the warp wait or are gone."""
    thread = get(state, at.CURRENT)
    record = thread_at(state, thread)
    put(record, at.STATUS, at.AT_ACTIVEMASK)
    put(record, at.WAIT_SITE, get(state, at.SITE))
    warp = warp_at(state, thread)
    put(warp, at.W_ACTIVE, get(warp, at.W_ACTIVE) + 1)
    rest(state, thread)
    pause(state)
    return get(record, at.RESULT)


def warp_operation(state: int, kind: int, mask: int, value: int, lane: int) -> int:
    """Wait for the lanes in ``mask``, and return the operation's result for this lane.

    ``value`` holds the bits of the lane's value; ``lane`` is a shuffle's source or distance.
    """
    record_meeting(state, kind)
    thread = get(state, at.CURRENT)
    record, mask = thread_at(state, thread), mask & 0xFFFFFFFF
    first = first_of_warp(state, thread)
    put(record, at.STATUS, at.AT_WARP)
    put(record, at.WAIT_SITE, get(state, at.SITE))
    put(record, at.WAIT_KIND, kind)
    put(record, at.WAIT_MASK, mask)
    put(record, at.VALUE, value)
    put(record, at.LANE, lane)
    put(record, at.UNDEFINED_SENT, get(state, at.SENT))
    put(record, at.UNDEFINED_CAME, 0)
    if (mask >> (thread - first)) & 1 == 0:
        explain_absence(state, thread, thread)
        stop(state)
    rest(state, thread)
    complete = True
    for other in range(lanes_of_warp(state, first)):
        if (mask >> other) & 1:
            each = thread_at(state, first + other)
            status = get(each, at.STATUS)
            if status == at.GONE:
                explain_absence(state, thread, first + other)
                stop(state)
            if status != at.AT_WARP or get(each, at.WAIT_MASK) != mask or get(each, at.WAIT_KIND) != kind:
                complete = False
    if complete:
        finish(state, first, kind, mask)
    pause(state)
    put(state, at.RECEIVED, get(record, at.UNDEFINED_CAME))
    return get(record, at.RESULT)


@runtime
def finish(state: int, first: int, kind: int, mask: int) -> None:
    """Give each lane its result and resume it; all lanes have arrived."""
    lanes = lanes_of_warp(state, first)
    if kind == at.SYNC:
        join(state, first, lanes, mask)
    voted, present = 0, 0
    equal, seen, common = True, False, 0
    for lane in range(lanes):
        if (mask >> lane) & 1:
            value = get(thread_at(state, first + lane), at.VALUE)
            present |= 1 << lane
            if value != 0:
                voted |= 1 << lane
            if seen and value != common:
                equal = False
            seen, common = True, value
    for lane in range(lanes):
        if (mask >> lane) & 1:
            record = thread_at(state, first + lane)
            value = get(record, at.VALUE)
            result = 0
            if kind == at.ALL:
                result = 1 if voted == present else 0
            elif kind == at.ANY:
                result = 1 if voted != 0 else 0
            elif kind == at.EQUAL:
                result = 1 if voted == present or voted == 0 else 0
            elif kind == at.BALLOT:
                result = voted
            elif kind == at.MATCH_ALL:
                result = present if equal else 0
            elif kind == at.MATCH_ANY:
                for other in range(lanes):
                    if (mask >> other) & 1 and get(thread_at(state, first + other), at.VALUE) == value:
                        result |= 1 << other
            elif kind != at.SYNC:
                result = shuffled(state, first, lanes, lane, kind, mask)
            put(record, at.RESULT, result)
    for lane in range(lanes):
        if (mask >> lane) & 1:
            wake(state, first + lane, get(thread_at(state, first + lane), at.RESULT))
    put(state, at.IDLE, 0)


@runtime
def shuffled(state: int, first: int, lanes: int, lane: int, kind: int, mask: int) -> int:
    """Return what a lane receives in a shuffle; with a source outside the warp, its own value.

    A value from a lane that does not take part is undefined, NaN here, and so is anything that a lane computes from it and
    sends on; reductions receive such values without using them, so it is reported only where one is written.
    """
    record = thread_at(state, first + lane)
    distance = get(record, at.LANE)
    if kind == at.SHUFFLE:
        source = distance & (at.WARP - 1)
    elif kind == at.SHUFFLE_UP:
        source = lane - distance
    elif kind == at.SHUFFLE_DOWN:
        source = lane + distance
    else:
        source = lane ^ distance
    if source < 0 or source >= at.WARP or source == lane:
        put(record, at.UNDEFINED_CAME, get(record, at.UNDEFINED_SENT))
        return get(record, at.VALUE)
    if source >= lanes or (mask >> source) & 1 == 0:
        put(record, at.UNDEFINED_SITE, get(record, at.WAIT_SITE))
        put(record, at.UNDEFINED_LANE, -1 - source if source >= lanes else source)
        put(record, at.UNDEFINED_KIND, kind)
        put(record, at.UNDEFINED_MASK, mask)
        put(record, at.UNDEFINED_CAME, 1)
        return 0x7FF8_DEAD_7FC0_DEAD
    sender = thread_at(state, first + source)
    if get(sender, at.UNDEFINED_SENT) != 0:
        for word in (at.UNDEFINED_SITE, at.UNDEFINED_LANE, at.UNDEFINED_KIND, at.UNDEFINED_MASK, at.UNDEFINED_SIZE):
            put(record, word, get(sender, word))
        put(record, at.UNDEFINED_CAME, 1)
    return get(sender, at.VALUE)


@runtime
def join(state: int, first: int, lanes: int, mask: int) -> None:
    """Order memory for ``syncwarp``: each lane of the mask learns the clocks that the others know."""
    clock = tick(state)
    for lane in range(lanes):
        if (mask >> lane) & 1:
            record = thread_at(state, first + lane)
            put(record, at.OWN_CLOCK, clock)
            put32(get(state, at.LANE_CLOCKS) + 4 * at.WARP * (first + lane), lane, clock)
    for lane in range(lanes):  # the largest value of each lane's clock that any of them knows
        largest = 0
        for other in range(lanes):
            if (mask >> other) & 1:
                largest = max(largest, get32(get(state, at.LANE_CLOCKS) + 4 * at.WARP * (first + other), lane))
        for other in range(lanes):
            if (mask >> other) & 1:
                put32(get(state, at.LANE_CLOCKS) + 4 * at.WARP * (first + other), lane, largest)
    if get(state, at.RELEASE_COUNT) == 0:
        return
    for lane in range(lanes):
        for other in range(lanes):
            if lane != other and (mask >> lane) & 1 and (mask >> other) & 1:
                source, target = thread_at(state, first + other), thread_at(state, first + lane)
                put(target, at.KNOWN, learn_all(state, get(target, at.KNOWN), get(source, at.KNOWN)))
