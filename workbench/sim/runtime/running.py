"""The bottom of every fiber's stack, and the run of a whole launch."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.barriers import open_barrier, open_grid
from workbench.sim.runtime.fibers import choose, context_of, depart, resume_from, set_current
from workbench.sim.runtime.hazards import note
from workbench.sim.runtime.records import block_at, thread_at
from workbench.sim.runtime.same_values import settle
from workbench.sim.runtime.words import call_kernel, get, put


def fiber_main(_saved: int, _wanted: int, state: int) -> None:
    """Run threads, one after another: the bottom of every fiber's stack. Does not return."""
    fiber = get(state, at.NEXT_FIBER)
    while True:
        thread = get(state, at.NEXT)
        record = thread_at(state, thread)
        put(record, at.FIBER, fiber)
        set_current(state, thread)
        put(state, at.PASSED, 0)
        status = call_kernel(get(state, at.KERNEL), get(state, at.ARGUMENTS), state + 8 * at.EXCEPTION)
        if status > 0:
            note(state, at.RAISED, 0, -1, -1, 0, 0, 0, 0, 0)
            put(state, at.STOPPED, 1)
        block = depart(state)
        each = block_at(state, block)
        if get(each, at.B_ARRIVED) > 0 and get(each, at.B_ARRIVED) == get(each, at.B_LIVE):
            open_barrier(state, block)
        if get(state, at.GRID_ARRIVED) > 0:
            open_grid(state)
        following = choose(state)
        if following >= 0 and get(thread_at(state, following), at.FIBER) < 0:
            put(state, at.NEXT, following)
            continue
        free = get(state, at.FREE_COUNT)
        put(get(state, at.FREE_FIBERS), free, fiber)
        put(state, at.FREE_COUNT, free + 1)
        resume_from(state, context_of(state, fiber), following)


def run(state: int) -> None:
    """Run a launch to its end."""
    first = choose(state)
    if first >= 0:
        resume_from(state, get(state, at.MAIN_CONTEXT), first)
    settle(state, -1)
