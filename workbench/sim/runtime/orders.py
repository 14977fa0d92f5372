"""The order of accesses: by barriers, ``syncwarp``, and what a thread publishes by a fence and an atomic operation.

A stamp (thread, epoch, clock) gives the time of an access: the epoch counts its block's barriers; the clock is the time,
counted by fences and ``syncwarp``, of the thread's last one. The access comes before the running thread's current one if
the block has passed a barrier since; if both are in one warp and a ``syncwarp`` informed this thread of a later clock; if
the whole grid has passed a barrier since; or if this thread has read, by an atomic operation, an address at which a release
that follows the stamp was made (a fence, then an atomic operation), directly or through others.

The reader need not fence too, though PTX requires it: reads after an atomic operation are assumed to happen later.
"""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import inlined, runtime
from workbench.sim.runtime.records import block_at, thread_at
from workbench.sim.runtime.words import get, get32, put


@runtime
def tick(state: int) -> int:
    """Advance the time, and return it."""
    time = get(state, at.TIME) + 1
    put(state, at.TIME, time)
    return time


@inlined
def is_before(state: int, thread: int, epoch: int, clock: int) -> bool:
    """Return whether another thread's access with this stamp is ordered before the running thread's current access."""
    size, own = get(state, at.THREADS_PER_BLOCK), get(state, at.TID)
    tid = thread - get(state, at.CURRENT) + own
    if 0 <= tid < size:
        if epoch < get(state, at.EPOCH):
            return True
        if tid >> 5 == own >> 5:
            known = get(state, at.LANE_CLOCKS) + 4 * at.WARP * get(state, at.CURRENT)
            if get32(known, tid & 31) > clock:
                return True
    elif epoch < get(block_at(state, thread // size), at.B_EPOCH_AT_GRID):
        return True
    return get(state, at.RELEASE_COUNT) > 0 and was_published(state, thread, epoch, clock)


@runtime
def was_published(state: int, thread: int, epoch: int, clock: int) -> bool:
    """Return whether this thread, or its block before the last barrier, has learnt of a release after the stamp."""
    stack = get(state, at.SEARCH)
    put(stack, 0, get(thread_at(state, get(state, at.CURRENT)), at.KNOWN))
    put(stack, 1, get(block_at(state, get(state, at.BLOCK)), at.B_KNOWN))
    depth = 2
    visit = get(state, at.VISITS) + 1
    put(state, at.VISITS, visit)
    lists, releases = get(state, at.LISTS), get(state, at.RELEASES)
    while depth > 0:
        depth -= 1
        known = get(stack, depth)
        while known > 0:
            node = lists + 8 * at.KNOWN_WORDS * known
            number = get(node, at.K_RELEASE)
            while number > 0:
                release = releases + 8 * at.RELEASE_WORDS * number
                if get(release, at.L_VISITED) == visit or get(release, at.L_TIME) < clock:
                    break  # seen, or made before the access; so are the earlier ones at this address
                put(release, at.L_VISITED, visit)
                if covers(state, release, thread, epoch, clock):
                    return True
                if depth + 2 < at.SEARCH_WORDS:
                    put(stack, depth, get(release, at.L_KNOWN))
                    put(stack, depth + 1, get(release, at.L_BLOCK_KNOWN))
                    depth += 2
                number = get(release, at.L_PREVIOUS)
            known = get(node, at.K_REST)
    return False


@runtime
def covers(state: int, release: int, thread: int, epoch: int, clock: int) -> bool:
    """Return whether a release by itself follows the stamp."""
    size = get(state, at.THREADS_PER_BLOCK)
    releaser = get(release, at.L_THREAD)
    near = releaser // size == get(state, at.BLOCK)
    if releaser == thread and (clock <= get(release, at.L_CLOCK) or (near and clock <= get(release, at.L_NEAR_CLOCK))):
        return True
    if releaser // size != thread // size:
        return False
    if epoch < get(release, at.L_BLOCK_EPOCH) or epoch < get(release, at.L_EPOCH):
        return True
    if near and epoch < get(release, at.L_NEAR_EPOCH):
        return True
    same_warp = (releaser % size) // at.WARP == (thread % size) // at.WARP
    return same_warp and get32(release + 8 * at.L_LANES, thread % size % at.WARP) > clock


def fence(state: int, scope: int) -> None:
    """Record a fence: the thread's next atomic operation may publish what it did or knew until now.

    ``scope`` is 0 for ``threadfence_block``, 1 for the others.
    """
    record = thread_at(state, get(state, at.CURRENT))
    block = block_at(state, get(state, at.BLOCK))
    clock = get(record, at.OWN_CLOCK)
    fenced = get(record, at.FENCED)
    if fenced == 0:
        put(record, at.RELEASED_AT, 0)
    if scope == 0:
        put(record, at.FENCED, fenced | at.FENCED_FOR_BLOCK)
        put(record, at.NEAR_CLOCK, clock)
        put(record, at.NEAR_EPOCH, get(state, at.EPOCH))
    else:
        put(record, at.FENCED, fenced | at.FENCED_FOR_ALL)
        put(record, at.FENCE_CLOCK, clock)
        put(record, at.FENCE_EPOCH, get(state, at.EPOCH))
        put(record, at.DIRTY, 0)
        put(block, at.B_FENCES, get(block, at.B_FENCES) + 1)
    put(record, at.FENCE_KNOWN, get(record, at.KNOWN))
    own = get(state, at.LANE_CLOCKS) + 4 * at.WARP * get(state, at.CURRENT)
    for word in range(at.WARP // 2):
        put(record, at.FENCE_LANES + word, get(own, word))
    time = tick(state)
    put(record, at.OWN_CLOCK, time)
    put(state, at.CLOCK, time)


@runtime
def exchange(state: int, cell: int, kind: int) -> None:
    """Learn what was released at an atomic operation's address; one that writes also releases what was fenced."""
    current = get(state, at.CURRENT)
    record = thread_at(state, current)
    newest = get(cell, at.RELEASED)
    if newest > 0:
        put(record, at.KNOWN, learn(state, get(record, at.KNOWN), newest))
    if kind == at.VOLATILE_READS:
        return
    block = block_at(state, get(state, at.BLOCK))
    own = get(record, at.FENCED)
    fenced_epoch, fenced = get(block, at.B_FENCED_EPOCH), own & at.FENCED_FOR_ALL != 0
    near = own & at.FENCED_FOR_BLOCK != 0
    if not fenced and not near and fenced_epoch == 0:
        return
    latest = max(get(record, at.OWN_CLOCK), fenced_epoch)
    if own != 0 and get(record, at.RELEASED_AT) == cell and get(record, at.RELEASED_FENCE) == latest:
        return  # nothing new; the release here stays known to those that learn later ones
    put(record, at.RELEASED_AT, cell)
    put(record, at.RELEASED_FENCE, latest)
    number = get(state, at.RELEASE_COUNT) + 1
    if number >= get(state, at.RELEASE_CAPACITY):
        put(state, at.STOPPED, 2)
        return
    put(state, at.RELEASE_COUNT, number)
    release = get(state, at.RELEASES) + 8 * at.RELEASE_WORDS * number
    put(release, at.L_THREAD, current)
    put(release, at.L_TIME, get(state, at.TIME))
    put(release, at.L_CLOCK, get(record, at.FENCE_CLOCK) if fenced else -1)
    put(release, at.L_EPOCH, get(record, at.FENCE_EPOCH) if fenced else 0)
    put(release, at.L_NEAR_CLOCK, get(record, at.NEAR_CLOCK) if near else -1)
    put(release, at.L_NEAR_EPOCH, get(record, at.NEAR_EPOCH) if near else 0)
    put(release, at.L_BLOCK_EPOCH, fenced_epoch)
    put(release, at.L_PLACE, cell)
    put(release, at.L_PREVIOUS, newest)
    put(release, at.L_VISITED, 0)
    put(release, at.L_KNOWN, get(record, at.FENCE_KNOWN) if own != 0 else 0)
    put(release, at.L_BLOCK_KNOWN, get(block, at.B_KNOWN))
    for word in range(at.WARP // 2):
        put(release, at.L_LANES + word, get(record, at.FENCE_LANES + word) if own != 0 else 0)
    put(cell, at.RELEASED, number)


@runtime
def learn(state: int, known: int, release: int) -> int:
    """Return a list with a release added, replacing an earlier one at the same element if that is near the front."""
    lists, releases = get(state, at.LISTS), get(state, at.RELEASES)
    made_at = get(releases + 8 * at.RELEASE_WORDS * release, at.L_PLACE)
    place, node = 0, known
    while node > 0 and place < at.LOOK_BACK:
        record = lists + 8 * at.KNOWN_WORDS * node
        other = get(record, at.K_RELEASE)
        if other >= release and get(releases + 8 * at.RELEASE_WORDS * other, at.L_PLACE) == made_at:
            return known
        if get(releases + 8 * at.RELEASE_WORDS * other, at.L_PLACE) == made_at:
            rest, copied = get(record, at.K_REST), 0
            front = known
            while copied < place:  # the entries before it are kept, in any order
                rest = put_before(state, get(lists + 8 * at.KNOWN_WORDS * front, at.K_RELEASE), rest)
                front = get(lists + 8 * at.KNOWN_WORDS * front, at.K_REST)
                copied += 1
            return put_before(state, release, rest)
        node = get(record, at.K_REST)
        place += 1
    return put_before(state, release, known)


@runtime
def put_before(state: int, release: int, rest: int) -> int:
    """Return a list that begins with a release."""
    number = get(state, at.LIST_COUNT) + 1
    if number >= get(state, at.LIST_CAPACITY):
        put(state, at.STOPPED, 2)
        return rest
    put(state, at.LIST_COUNT, number)
    node = get(state, at.LISTS) + 8 * at.KNOWN_WORDS * number
    put(node, at.K_RELEASE, release)
    put(node, at.K_REST, rest)
    return number


@runtime
def learn_all(state: int, known: int, more: int) -> int:
    """Return a list extended by all entries of another."""
    while more > 0:
        node = get(state, at.LISTS) + 8 * at.KNOWN_WORDS * more
        known = learn(state, known, get(node, at.K_RELEASE))
        more = get(node, at.K_REST)
    return known
