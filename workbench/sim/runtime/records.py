"""Addresses of the records of threads, blocks and warps."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import inlined, runtime
from workbench.sim.runtime.words import get


@inlined
def thread_at(state: int, thread: int) -> int:
    """Return the address of a thread's record."""
    return get(state, at.THREADS) + 8 * at.THREAD_WORDS * thread


@inlined
def block_at(state: int, block: int) -> int:
    """Return the address of a block's record."""
    return get(state, at.BLOCK_TABLE) + 8 * at.BLOCK_WORDS * block


@runtime
def warp_at(state: int, thread: int) -> int:
    """Return the address of the record of a thread's warp."""
    size = get(state, at.THREADS_PER_BLOCK)
    block = thread // size
    number = block * get(state, at.WARPS_PER_BLOCK) + (thread - block * size) // at.WARP
    return get(state, at.WARPS) + 8 * at.WARP_WORDS * number
