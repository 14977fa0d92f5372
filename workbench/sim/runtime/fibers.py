"""Run every CUDA thread on its own stack, and choose the next one to run.

A thread runs until it must wait; then the next ready thread is chosen: in the order in which they became ready, or with a
seed at random, over all running warps and blocks. A fiber whose thread has ended takes the next thread that has not
started, so that kernels without barriers run on a single stack.
"""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import inlined, runtime
from workbench.sim.runtime.hazards import note
from workbench.sim.runtime.recording import choose_recording
from workbench.sim.runtime.records import block_at, thread_at, warp_at
from workbench.sim.runtime.same_values import settle
from workbench.sim.runtime.standstill import explain_standstill
from workbench.sim.runtime.switching import prepare
from workbench.sim.runtime.words import call, fill, get, put

RUN = 8
"""With a seed, one choice in this many is any thread, the others the thread that has waited longest: neighbours, whose
memory is close together, then run one after another."""

prepare_stack = runtime(prepare)


@inlined
def draw(state: int, below: int) -> int:
    """Draw a number in [0, below)."""
    seed = get(state, at.RANDOM)
    seed ^= seed << 13
    seed ^= (seed >> 7) & 0x1FFFFFFFFFFFFFF
    seed ^= seed << 17
    put(state, at.RANDOM, seed)
    return ((seed >> 20) & 0x7FFFFFFF) % below


@runtime
def make_ready(state: int, thread: int) -> None:
    """Mark a thread as ready to run."""
    count, total = get(state, at.READY_COUNT), get(state, at.BLOCKS) * get(state, at.THREADS_PER_BLOCK)
    put(get(state, at.READY), (get(state, at.READY_HEAD) + count) % total, thread)
    put(state, at.READY_COUNT, count + 1)
    put(thread_at(state, thread), at.STATUS, at.READY_TO_RUN)


@runtime
def wake(state: int, thread: int, result: int) -> None:
    """Mark a waiting thread as ready, with the result that it waited for."""
    put(thread_at(state, thread), at.RESULT, result)
    warp = warp_at(state, thread)
    put(warp, at.W_RUNNING, get(warp, at.W_RUNNING) + 1)
    make_ready(state, thread)


@runtime
def let_active_go(state: int, thread: int) -> None:
    """Resume the lanes of a thread's warp that wait in activemask, grouped by line."""
    warp = warp_at(state, thread)
    if get(warp, at.W_ACTIVE) == 0:
        return
    put(warp, at.W_ACTIVE, 0)
    size = get(state, at.THREADS_PER_BLOCK)
    first_of_block = thread // size * size
    first = thread - (thread - first_of_block) % at.WARP
    last = min(first + at.WARP, first_of_block + size)
    for one in range(first, last):
        if get(thread_at(state, one), at.STATUS) == at.AT_ACTIVEMASK:
            site, mask = get(thread_at(state, one), at.WAIT_SITE), 0
            for other in range(first, last):
                each = thread_at(state, other)
                if get(each, at.STATUS) == at.AT_ACTIVEMASK and get(each, at.WAIT_SITE) == site:
                    mask |= 1 << (other - first)
            for other in range(first, last):
                each = thread_at(state, other)
                if get(each, at.STATUS) == at.AT_ACTIVEMASK and get(each, at.WAIT_SITE) == site:
                    wake(state, other, mask)


@runtime
def rest(state: int, thread: int) -> None:
    """Record that a thread waits or is gone. Once nothing in its warp runs, the lanes in activemask resume."""
    warp = warp_at(state, thread)
    running = get(warp, at.W_RUNNING) - 1
    put(warp, at.W_RUNNING, running)
    if running > 0 or get(warp, at.W_ACTIVE) == 0:
        return
    let_active_go(state, thread)


@runtime
def start_block(state: int) -> None:
    """Make the next block's threads ready, in the order of the schedule."""
    started, size = get(state, at.BLOCKS_STARTED), get(state, at.THREADS_PER_BLOCK)
    block = get(get(state, at.ORDER), started)
    put(state, at.BLOCKS_STARTED, started + 1)
    record = block_at(state, block)
    put(record, at.B_LIVE, size)
    put(record, at.B_GONE_THREAD, -1)
    put(state, at.LIVE, get(state, at.LIVE) + size)
    backwards = get(state, at.POLICY) == 1
    for tid in range(size):
        thread = block * size + (size - 1 - tid if backwards else tid)
        record = thread_at(state, thread)
        fill(record, 0, 64)
        put(record, at.FIBER, -1)
        warp = warp_at(state, thread)
        put(warp, at.W_RUNNING, get(warp, at.W_RUNNING) + 1)
        make_ready(state, thread)


@runtime
def choose(state: int) -> int:
    """Return the next thread to run, -1 if there is none: all are done, or the launch was stopped."""
    while get(state, at.STOPPED) == 0:
        unstarted = get(state, at.BLOCKS) - get(state, at.BLOCKS_STARTED)
        if unstarted > 0 and get(state, at.LIVE) + get(state, at.THREADS_PER_BLOCK) <= get(state, at.MAX_LIVE):
            start_block(state)
            continue
        count = get(state, at.READY_COUNT)
        if count > 0:
            ready, head = get(state, at.READY), get(state, at.READY_HEAD)
            total = get(state, at.BLOCKS) * get(state, at.THREADS_PER_BLOCK)
            if get(state, at.POLICY) > 1 and draw(state, RUN) == 0:
                other = (head + draw(state, count)) % total
                thread = get(ready, other)
                put(ready, other, get(ready, head))
            else:
                thread = get(ready, head)
            put(state, at.READY_HEAD, (head + 1) % total)
            put(state, at.READY_COUNT, count - 1)
            return thread
        if unstarted > 0 and (get(state, at.LIVE) == 0 or get(state, at.GRID_ARRIVED) > 0):
            start_block(state)
            continue
        if get(state, at.LIVE) > 0:
            explain_standstill(state)
        return -1
    return -1


@runtime
def set_current(state: int, thread: int) -> None:
    """Store the running thread and its indices in the state."""
    size = get(state, at.THREADS_PER_BLOCK)
    block = thread // size
    tid = thread - block * size
    record = thread_at(state, thread)
    put(state, at.CURRENT, thread)
    put(state, at.SITE, get(record, at.WAIT_SITE))
    put(state, at.TID, tid)
    put(state, at.CLOCK, get(record, at.OWN_CLOCK))
    put(state, at.SINCE_SWITCH, 0)
    put(state, at.STACK_LIMIT, get(state, at.STACKS) + get(record, at.FIBER) * at.FIBER_BYTES + at.SPARE_BYTES)
    width, height = get(state, at.BLOCK_DIM_X), get(state, at.BLOCK_DIM_Y)
    put(state, at.THREAD_X, tid % width)
    put(state, at.THREAD_Y, tid // width % height)
    put(state, at.THREAD_Z, tid // (width * height))
    epoch = get(block_at(state, block), at.B_EPOCH)
    put(state, at.EPOCH, epoch)
    put(state, at.STAMP, thread + 1 | epoch << 32)
    put(state, at.BLOCK, block)
    width, height = get(state, at.GRID_DIM_X), get(state, at.GRID_DIM_Y)
    put(state, at.BLOCK_X, block % width)
    put(state, at.BLOCK_Y, block // width % height)
    put(state, at.BLOCK_Z, block // (width * height))
    choose_recording(state, block)


@runtime
def context_of(state: int, fiber: int) -> int:
    """Return the address of a fiber's context: above its stack, since stacks grow downwards."""
    return get(state, at.STACKS) + (fiber + 1) * at.FIBER_BYTES - at.CONTEXT_BYTES


@runtime
def leave(state: int, saved: int, wanted: int) -> None:
    """Switch to another context, until this one is resumed."""
    call(get(state, at.SWITCH), saved, wanted, state)


@runtime
def resume_from(state: int, saved: int, thread: int) -> None:
    """Switch from the context ``saved`` to the thread, started or not; for -1, to the main context."""
    if thread < 0:
        put(state, at.NEXT, -1)
        leave(state, saved, get(state, at.MAIN_CONTEXT))
        return
    fiber = get(thread_at(state, thread), at.FIBER)
    if fiber >= 0:
        set_current(state, thread)
        leave(state, saved, context_of(state, fiber))
        return
    put(state, at.NEXT, thread)
    free = get(state, at.FREE_COUNT)
    if free > 0:
        fiber = get(get(state, at.FREE_FIBERS), free - 1)
        put(state, at.FREE_COUNT, free - 1)
        leave(state, saved, context_of(state, fiber))
        return
    fiber = get(state, at.FIBERS_MADE)
    if fiber == get(state, at.FIBER_CAPACITY):
        note(state, at.LIMIT, at.TOO_MANY_WAIT, -1, -1, 0, 0, 0, fiber, 0)
        put(state, at.STOPPED, 1)
        put(state, at.NEXT, -1)
        leave(state, saved, get(state, at.MAIN_CONTEXT))
        return
    put(state, at.FIBERS_MADE, fiber + 1)
    put(state, at.NEXT_FIBER, fiber)
    stack = get(state, at.STACKS) + fiber * at.FIBER_BYTES
    size = at.FIBER_BYTES - at.CONTEXT_BYTES
    prepare_stack(context_of(state, fiber), stack, size, get(state, at.FIBER_MAIN), state)
    leave(state, saved, context_of(state, fiber))


@inlined
def pause(state: int) -> None:
    """Run others until the running thread, whose status says what it waits for, may continue.

    The call goes through an address, so that the callee is compiled once and not into every caller.
    """
    call(get(state, at.RUN_OTHERS), state, 0, 0)


def run_others(state: int, _second: int, _third: int) -> None:
    """Do what ``pause`` says."""
    thread = get(state, at.CURRENT)
    fiber = get(thread_at(state, thread), at.FIBER)
    following = choose(state)
    if following == thread:
        set_current(state, thread)
    else:
        resume_from(state, context_of(state, fiber), following)


@runtime
def give_way(state: int) -> None:
    """Let others run: a thread that spins on another thread's write would otherwise block it."""
    if get(state, at.READY_COUNT) > 0 or get(state, at.BLOCKS_STARTED) < get(state, at.BLOCKS):
        thread = get(state, at.CURRENT)
        put(thread_at(state, thread), at.WAIT_SITE, get(state, at.SITE))
        make_ready(state, thread)
        pause(state)


@runtime
def stop(state: int) -> None:
    """End the launch immediately; does not return."""
    put(state, at.STOPPED, max(get(state, at.STOPPED), 1))
    fiber = get(thread_at(state, get(state, at.CURRENT)), at.FIBER)
    put(state, at.NEXT, -1)
    leave(state, context_of(state, fiber), get(state, at.MAIN_CONTEXT))


@runtime
def retire_block(state: int, block: int) -> None:
    """Clear the memory of a finished block for the next one."""
    if get(state, at.WRITER_COUNT) > 0:
        settle(state, block)
    record = block_at(state, block)
    chunk, used = get(record, at.B_CHUNK), get(record, at.B_USED)
    if chunk == 0:
        return
    fill(chunk, 0, used)
    count = get(state, at.FREE_CHUNK_COUNT)
    put(get(state, at.FREE_CHUNKS), count, chunk)
    put(state, at.FREE_CHUNK_COUNT, count + 1)


@runtime
def depart(state: int) -> int:
    """Record that the running thread has returned from the kernel; return its block."""
    thread = get(state, at.CURRENT)
    record = thread_at(state, thread)
    put(record, at.STATUS, at.GONE)
    put(record, at.WAIT_SITE, get(state, at.SITE))
    block = thread // get(state, at.THREADS_PER_BLOCK)
    each = block_at(state, block)
    put(each, at.B_LIVE, get(each, at.B_LIVE) - 1)
    put(each, at.B_GONE_THREAD, thread)
    put(state, at.LIVE, get(state, at.LIVE) - 1)
    rest(state, thread)
    if get(each, at.B_LIVE) == 0:
        retire_block(state, block)
    return block
