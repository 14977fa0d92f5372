"""Every read, write and atomic update of watched memory, and the races among them."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import inlined, runtime
from workbench.sim.runtime.fibers import draw, give_way, let_active_go, start_block, stop
from workbench.sim.runtime.hazards import note
from workbench.sim.runtime.orders import exchange, is_before
from workbench.sim.runtime.recording import record_access
from workbench.sim.runtime.records import thread_at
from workbench.sim.runtime.same_values import compare, is_disputed, keep_last_value
from workbench.sim.runtime.words import call, fill, get, get32, get_byte, put

PATIENCE = 20_000
"""The number of accesses after which a thread lets others run: it may be waiting for their writes."""

SPINS = 4
"""The number of atomic operations after which it does so."""

TURNS = 3
"""With a seed, others run before one in this many atomic operations."""

HOPELESS = 2_000
"""The number of rounds of all live threads without progress after which they are considered deadlocked."""


def access(state: int, region: int, address: int, size: int, kind: int) -> None:
    """Record that the running thread is about to touch ``size`` bytes at ``address``.

    ``region`` is the array's region, 0 for unwatched memory; ``kind`` is a kind of access with its flags.
    """
    same, settled, fresh, followed = (
        kind & at.SAME != 0,
        kind & at.SETTLED != 0,
        kind & at.FRESH != 0,
        kind & at.FOLLOWED != 0,
    )
    if get(state, at.RECORDING) != 0:
        record_access(state, region, address, size, kind)
    alignment, kind = 1 << (kind >> at.ALIGNMENT & 15), kind & 7
    undefined = get(state, at.WRITTEN) != 0
    spent = get(state, at.SINCE_SWITCH) + (1 if kind < at.UPDATES else PATIENCE // SPINS)
    put(state, at.SINCE_SWITCH, spent)
    if kind == at.WRITES and not same:
        put(state, at.IDLE, 0)
    if spent >= PATIENCE and not settled:
        put(state, at.SINCE_SWITCH, 0)
        call(get(state, at.TIRE), state, 0, 0)
    elif kind >= at.UPDATES and not settled and get(state, at.POLICY) > 1 and draw(state, TURNS) == 0:
        call(get(state, at.TIRE), state, 1, 0)
    if get(state, at.HAZARDS_ON) == 0:
        return
    if address & (alignment - 1) != 0:
        note(state, at.MISALIGNED, kind, -1, -1, 0, region, address, size, alignment)
        stop(state)
    if region == 0:
        if kind != at.READS:
            mark_stack(state, address, size)
        return
    if get(region, at.R_SHADOW) != 0:
        look_at_shadow(state, region, address, size, kind, fresh, followed)
        if get(region, at.R_KIND) == at.LOCAL:
            return
    base, shift = get(region, at.R_BASE), get(region, at.R_SHIFT)
    first, last = (address - base) >> shift, (address - base + size - 1) >> shift
    cells = get(region, at.R_CELLS)
    for number in range(first, last + 1):
        cell = cells + at.CELL_BYTES * number
        if kind == at.READS:
            look_at_read(state, region, cell, address, size, followed)
        elif kind == at.WRITES:
            look_at_write(state, region, cell, address, size, same)
        else:
            look_at_update(state, region, cell, address, size, kind, fresh)
    if undefined and (kind == at.WRITES or kind == at.UPDATES or kind == at.VOLATILE_WRITES):
        tell_undefined(state, thread_at(state, get(state, at.CURRENT)))


def tire(state: int, fresh: int, _third: int) -> None:
    """Let others run, and stop the launch after too long without progress, unless the thread is still fresh."""
    if get(state, at.STOPPED) != 0:
        stop(state)
    if fresh != 0:
        give_way(state)
        return
    idle, live = get(state, at.IDLE) + 1, get(state, at.LIVE)
    put(state, at.IDLE, idle)
    if (
        idle % (4 * (live + 1)) == 0
    ):  # others may wait for a thread after an activemask, or in a block that has not started
        let_active_go(state, get(state, at.CURRENT))
        if get(state, at.BLOCKS_STARTED) < get(state, at.BLOCKS):
            start_block(state)
    if idle > HOPELESS * (live + 1):
        standstill(state)
        stop(state)
    give_way(state)


@runtime
def standstill(state: int) -> None:
    """Report threads that spin without progress: the running one, and one that waits or is elsewhere."""
    other, current = -1, get(state, at.CURRENT)
    size = get(state, at.THREADS_PER_BLOCK)
    for wanted in range(at.AT_GRID, at.READY_TO_RUN - 1, -1):
        for number in range(get(state, at.BLOCKS_STARTED) * size):
            thread = get(get(state, at.ORDER), number // size) * size + number % size
            if other < 0 and thread != current and get(thread_at(state, thread), at.STATUS) == wanted:
                other = thread
    site, status = -1, 0
    if other >= 0:
        site, status = get(thread_at(state, other), at.WAIT_SITE), get(thread_at(state, other), at.STATUS)
    note(state, at.DEADLOCK, at.READY_TO_RUN, other, site, status, 0, 0, 0, 0)


@inlined
def cold_of(region: int, cell: int) -> int:
    """Return the cold part of a cell, cleared on first use."""
    cold = get(region, at.R_COLD) + 2 * cell
    if get(cell, at.HAS_COLD) == 0:
        put(cell, at.HAS_COLD, 1)
        fill(cold, 0, at.COLD_BYTES)
    return cold


@inlined
def conflicts(state: int, cell: int, stamp: int) -> bool:
    """Return whether a stamp is another thread's and not ordered before the running thread."""
    thread = get32(cell, stamp) - 1
    if thread < 0 or thread == get(state, at.CURRENT):
        return False
    return not is_before(state, thread, get32(cell, stamp + at.S_EPOCH), get32(cell, stamp + at.S_CLOCK))


@inlined
def judge(
    state: int, region: int, cell: int, address: int, size: int, kind: int, stamp: int, other: int, same: bool
) -> bool:
    """Record a race with the access of a stamp, if there is one; return whether there is."""
    if not conflicts(state, cell, stamp):
        return False
    thread, site = get32(cell, stamp) - 1, get32(cell, stamp + at.S_SITE)
    note(state, at.RACE, kind, thread, site, other, region, address, size, 1 if same else 0)
    return True


@inlined
def mark(state: int, cell: int, stamp: int) -> None:
    """Stamp a cell with the running thread."""
    put(cell, stamp // 2, get(state, at.STAMP))
    put(cell, stamp // 2 + 1, get(state, at.CLOCK) | get(state, at.SITE) << 32)


@inlined
def keep(cell: int, source: int, cold: int, target: int) -> None:
    """Copy a stamp to the cold part before a newer one replaces it."""
    put(cold, target // 2, get(cell, source // 2))
    put(cold, target // 2 + 1, get(cell, source // 2 + 1))


@runtime
def tell_undefined(state: int, record: int) -> None:
    """Report that a thread writes a value derived, perhaps through other lanes, from an undefined one.

    For a value of a shuffle, stop the launch.
    """
    site, mask, source = get(state, at.SITE), get(record, at.UNDEFINED_MASK), get(record, at.UNDEFINED_LANE)
    put(state, at.SITE, get(record, at.UNDEFINED_SITE))
    if get(record, at.UNDEFINED_KIND) == at.UNWRITTEN:
        note(state, at.UNINITIALISED, at.READS, -1, site, 0, source, mask, get(record, at.UNDEFINED_SIZE), 0)
        put(state, at.SITE, site)
        return
    status = at.UNBORN if source < 0 else at.READY_TO_RUN
    source = -1 - source if source < 0 else source
    note(state, at.ABSENT, get(record, at.UNDEFINED_KIND), -1, source, status, 0, 0, 0, mask)
    put(state, at.SITE, site)
    stop(state)


def decides(state: int) -> None:
    """Report that a branch or an address depends on memory that nothing has written."""
    record = thread_at(state, get(state, at.CURRENT))
    if get(record, at.UNDEFINED_KIND) == at.UNWRITTEN:
        tell_undefined(state, record)


@runtime
def read_unwritten(state: int, region: int, address: int, size: int, kind: int, followed: bool) -> None:
    """Record a read of memory that nothing has written: at once, or where the value matters if it can be followed."""
    if not followed:
        note(state, at.UNINITIALISED, kind, -1, -1, 0, region, address, size, 0)
        return
    put(state, at.SUSPECTED, 1)
    put(state, at.LOADED, 1)
    record = thread_at(state, get(state, at.CURRENT))
    put(record, at.UNDEFINED_SITE, get(state, at.SITE))
    put(record, at.UNDEFINED_KIND, at.UNWRITTEN)
    put(record, at.UNDEFINED_LANE, region)
    put(record, at.UNDEFINED_MASK, address)
    put(record, at.UNDEFINED_SIZE, size)


@inlined
def look_for_unwritten(state: int, region: int, cell: int, address: int, size: int, kind: int, followed: bool) -> None:
    """Look whether a thread of the block has written a cell of shared memory that is read."""
    if get(region, at.R_KIND) == at.SHARED and get32(cell, at.WRITE) == 0 and get32(cell, at.ATOMIC) == 0:
        read_unwritten(state, region, address, size, kind, followed)


@runtime
def look_at_shadow(state: int, region: int, address: int, size: int, kind: int, fresh: bool, followed: bool) -> None:
    """Look whether memory that is read has been written, and mark what is written.

    A local array that is given a value of memory that nothing has written counts as not written: copies do not matter.
    """
    place = get(region, at.R_SHADOW) + address - get(region, at.R_BASE)
    needs_value = kind != at.WRITES and kind != at.VOLATILE_WRITES and not fresh
    if needs_value and (get_byte(place, 0) == 0 or get_byte(place, size - 1) == 0):
        read_unwritten(state, region, address, size, kind, followed)
    if kind != at.READS and kind != at.VOLATILE_READS:
        record = thread_at(state, get(state, at.CURRENT))
        copies = get(state, at.WRITTEN) != 0 and get(record, at.UNDEFINED_KIND) == at.UNWRITTEN
        fill(place, 0 if copies and get(region, at.R_KIND) == at.LOCAL else 1, size)


@runtime
def mark_stack(state: int, address: int, size: int) -> None:
    """Mark bytes of a stack as written, through an address of which the array is unknown."""
    offset = address - get(state, at.STACKS)
    if offset >= 0 and offset < get(state, at.FIBER_CAPACITY) * at.FIBER_BYTES:
        fill(get(state, at.LOCAL_SHADOW) + address, 1, size)


@inlined
def races_with_updates(state: int, region: int, cell: int, address: int, size: int, kind: int) -> None:
    """Check a plain access against other threads' atomic updates; this thread's own latest update follows them."""
    last = get32(cell, at.ATOMIC) - 1
    if last < 0 or last == get(state, at.CURRENT):
        return
    if not judge(state, region, cell, address, size, kind, at.ATOMIC, at.UPDATES, False) and get(cell, at.HAS_COLD):
        judge(state, region, cold_of(region, cell), address, size, kind, at.OTHER_ATOMIC, at.UPDATES, False)


@runtime
def races_with_reads(state: int, region: int, cell: int, address: int, size: int, kind: int) -> None:
    """Check a change of memory against other threads' plain reads."""
    if get32(cell, at.READ) == 0:
        return
    if judge(state, region, cell, address, size, kind, at.READ, at.READS, False) or get(cell, at.HAS_COLD) == 0:
        return
    cold = cold_of(region, cell)
    for slot in range(1 + at.ELSEWHERE):
        if judge(state, region, cold, address, size, kind, at.READ_IN_WARP + 4 * slot, at.READS, False):
            return


@inlined
def slot_of(state: int, reader: int) -> int:
    """Return the slot of an earlier reader in the cold part: one for the warp, others by their warp or block."""
    tid = reader - get(state, at.CURRENT) + get(state, at.TID)
    if tid < 0 or tid >= get(state, at.THREADS_PER_BLOCK):
        return at.READ_ELSEWHERE + 4 * ((reader ^ (reader >> 5)) % at.ELSEWHERE)
    warp = tid >> 5
    if warp == get(state, at.TID) >> 5:
        return at.READ_IN_WARP
    return at.READ_ELSEWHERE + 4 * (warp % at.ELSEWHERE)


@inlined
def keep_reader(state: int, region: int, cell: int, slot: int) -> None:
    """Keep the latest reader's stamp, unless one of its warp with the same barriers and fences is kept."""
    if slot != at.READ_IN_WARP:
        keep(cell, at.READ, cold_of(region, cell), slot)
        return
    epoch, clock = get32(cell, at.READ + at.S_EPOCH), get32(cell, at.READ + at.S_CLOCK)
    kept = clock << 32 | (epoch & 0x3FFFFFF) << 6 | get(state, at.TID) >> 5 << 1 | 1
    if get(cell, at.HAS_COLD) != kept:
        keep(cell, at.READ, cold_of(region, cell), slot)
        put(cell, at.HAS_COLD, kept)


@inlined
def look_at_read(state: int, region: int, cell: int, address: int, size: int, followed: bool) -> None:
    """Check a plain read against other threads' writes and updates."""
    look_for_unwritten(state, region, cell, address, size, at.READS, followed)
    if get(state, at.WRITER_COUNT) > 0:
        compare(state, cell)
    judge(state, region, cell, address, size, at.READS, at.WRITE, at.WRITES, False)
    races_with_updates(state, region, cell, address, size, at.READS)
    last = get32(cell, at.READ) - 1
    if last >= 0 and last != get(state, at.CURRENT):
        keep_reader(state, region, cell, slot_of(state, last))
    mark(state, cell, at.READ)


@runtime
def writes_the_same(state: int, region: int, cell: int, address: int, size: int, same: bool) -> bool:
    """Return whether a write may leave the same value as another thread's, now or by a later write."""
    if not conflicts(state, cell, at.WRITE):
        return True
    if same and get(state, at.WRITER_COUNT) >= at.FEW_WRITERS and not is_disputed(state, cell):
        return True
    return keep_last_value(state, region, cell, address, size)


@inlined
def look_at_write(state: int, region: int, cell: int, address: int, size: int, same: bool) -> None:
    """Check a plain write against all accesses of other threads."""
    is_allowed = get(state, at.ALLOW_SAME) != 0
    if not is_allowed or not writes_the_same(state, region, cell, address, size, same):
        judge(state, region, cell, address, size, at.WRITES, at.WRITE, at.WRITES, same)
    if not is_allowed or not same:
        races_with_reads(state, region, cell, address, size, at.WRITES)
    races_with_updates(state, region, cell, address, size, at.WRITES)
    mark(state, cell, at.WRITE)
    if get(region, at.R_KIND) == at.GLOBAL:
        put(thread_at(state, get(state, at.CURRENT)), at.DIRTY, 1)


@runtime
def look_at_update(state: int, region: int, cell: int, address: int, size: int, kind: int, fresh: bool) -> None:
    """Check an atomic operation against plain writes and reads, then exchange what it publishes and learns."""
    if kind != at.VOLATILE_WRITES and not fresh:
        look_for_unwritten(state, region, cell, address, size, kind, False)
    judge(state, region, cell, address, size, kind, at.WRITE, at.WRITES, False)
    if kind != at.VOLATILE_READS:
        races_with_reads(state, region, cell, address, size, kind)
        last = get32(cell, at.ATOMIC) - 1
        if last >= 0 and last != get(state, at.CURRENT):
            keep(cell, at.ATOMIC, cold_of(region, cell), at.OTHER_ATOMIC)
        mark(state, cell, at.ATOMIC)
    exchange(state, cell, kind)
