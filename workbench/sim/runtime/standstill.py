"""Explain threads that wait in vain: which thread waits for which, and why."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import runtime
from workbench.sim.runtime.hazards import note
from workbench.sim.runtime.records import thread_at
from workbench.sim.runtime.words import get, put


@runtime
def note_of(
    state: int, thread: int, kind: int, access: int, other: int, other_site: int, other_access: int, extra: int
) -> None:
    """Record a hazard of a waiting thread."""
    current, site = get(state, at.CURRENT), get(state, at.SITE)
    put(state, at.CURRENT, thread)
    put(state, at.SITE, get(thread_at(state, thread), at.WAIT_SITE))
    note(state, kind, access, other, other_site, other_access, 0, 0, 0, extra)
    put(state, at.CURRENT, current)
    put(state, at.SITE, site)


@runtime
def explain_standstill(state: int) -> None:
    """Report which thread waits for which when no remaining thread can run, and stop the launch."""
    put(state, at.STOPPED, 1)
    size, started = get(state, at.THREADS_PER_BLOCK), get(state, at.BLOCKS_STARTED)
    first, second = -1, -1
    for wanted in (at.AT_WARP, at.AT_BARRIER, at.AT_GRID):
        for number in range(started * size):
            thread = get(get(state, at.ORDER), number // size) * size + number % size
            if get(thread_at(state, thread), at.STATUS) == wanted:
                if first < 0:
                    first = thread
                elif second < 0 and get(thread_at(state, thread), at.WAIT_SITE) != get(
                    thread_at(state, first), at.WAIT_SITE
                ):
                    second = thread
    status = get(thread_at(state, first), at.STATUS)
    if status == at.AT_WARP:
        explain_absence(state, first, -1)
        return
    if status == at.AT_BARRIER and second >= 0 and second // size == first // size:
        other = thread_at(state, second)
        note_of(state, first, at.DIVERGENT, status, second, get(other, at.WAIT_SITE), get(other, at.STATUS), 0)
        return
    if second < 0:
        for number in range(started):
            leader = get(get(state, at.ORDER), number) * size
            if get(thread_at(state, leader), at.STATUS) == at.GONE:
                second = leader
                break
    other_site = get(thread_at(state, second), at.WAIT_SITE) if second >= 0 else -1
    other_status = get(thread_at(state, second), at.STATUS) if second >= 0 else 0
    note_of(state, first, at.DEADLOCK, status, second, other_site, other_status, 0)


@runtime
def explain_absence(state: int, thread: int, absent: int) -> None:
    """Report the lane of a warp operation's mask that does not arrive (-1: find it), and stop the launch."""
    put(state, at.STOPPED, 1)
    size = get(state, at.THREADS_PER_BLOCK)
    record = thread_at(state, thread)
    mask, kind = get(record, at.WAIT_MASK), get(record, at.WAIT_KIND)
    first_of_block = thread // size * size
    first = thread - (thread - first_of_block) % at.WARP
    for lane in range(min(at.WARP, first_of_block + size - first)):
        if absent >= 0:
            break
        other = thread_at(state, first + lane)
        if (mask >> lane) & 1 and not (
            get(other, at.STATUS) == at.AT_WARP
            and get(other, at.WAIT_MASK) == mask
            and get(other, at.WAIT_KIND) == kind
        ):
            absent = first + lane
    other_site, other_status = -1, 0
    if absent >= 0:
        other_site, other_status = get(thread_at(state, absent), at.WAIT_SITE), get(thread_at(state, absent), at.STATUS)
    note_of(state, thread, at.ABSENT, kind, absent, other_site, other_status, mask)
