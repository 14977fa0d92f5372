"""The memory of one launch, which the state points to."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.sim.common import state
from workbench.sim.common.page_memory import Memory
from workbench.sim.common.settings import STATIC_LIMIT, current
from workbench.sim.host.arguments import Arguments
from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entries import entries
from workbench.system.compute_capability import SIMULATED

LIVE_THREADS = 2048
"""The number of threads that run at once, of one or several blocks, unless more are needed."""

FIBERS = 1 << 16
"""The most threads that can wait at once."""

CHUNKS = 1 << 10
"""The most blocks that can have shared memory at once."""

RELEASES = 1 << 20
LISTS = 1 << 22

Words = NDArray[np.int64]

_threads, _stacks, _shadow, _chunks, _releases, _lists = (Memory() for _ in range(6))


class Tables:
    """The memory of one launch, to which the state's words point.

    Parameters
    ----------
    blocks, size : the number of blocks, and of threads in each
    arguments : arguments of the kernel
    seed : seed of the schedule
    dynamic_bytes : dynamic shared memory per block
    by_bytes : whether dynamic shared memory is watched in units of one byte instead of four
    only : the numbers of the blocks to run; None: all
    """

    def __init__(
        self,
        blocks: int,
        size: int,
        arguments: Arguments,
        seed: int,
        dynamic_bytes: int,
        *,
        by_bytes: bool,
        only: Sequence[int] | None = None,
    ) -> None:
        threads, warps = blocks * size, -(-size // at.WARP)
        words = state.WORDS
        words[:] = 0
        self._kept: list[Any] = [arguments]
        for word, count in (
            (at.BLOCK_TABLE, blocks * at.BLOCK_WORDS),
            (at.WARPS, blocks * warps * at.WARP_WORDS),
            (at.LANE_CLOCKS, threads * at.WARP // 2),
            (at.READY, threads),
            (at.FREE_FIBERS, threads),
            (at.FREE_CHUNKS, min(blocks, CHUNKS)),
            (at.MAIN_CONTEXT, at.CONTEXT_BYTES // 8),
            (at.SEARCH, at.SEARCH_WORDS),
            (at.WRITERS, at.MOST_WRITERS * at.WRITER_WORDS if current().allow_same_value else 0),
        ):
            self._allocate(word, count)
        self._hazards = self._allocate(at.HAZARDS, at.MAX_HAZARDS * at.HAZARD_WORDS)
        order = np.arange(blocks, dtype=np.int64) if only is None else np.array(sorted(only), np.int64)
        if seed == 1:
            order = order[::-1].copy()
        elif seed > 1:
            np.random.default_rng(seed).shuffle(order)
        self._kept.append(order)
        words[at.ORDER] = order.ctypes.data
        words[at.THREADS_PER_BLOCK], words[at.WARPS_PER_BLOCK], words[at.BLOCKS] = size, warps, len(order)
        words[at.MAX_LIVE] = max(LIVE_THREADS, 2 * size)
        words[at.POLICY] = min(seed, 2)
        words[at.RANDOM] = seed * 0x9E3779B97F4A7C15 % (1 << 62) | 1
        words[at.ARGUMENTS] = arguments.words.ctypes.data
        words[at.FIBER_MAIN], words[at.SWITCH] = entries().fiber_main, entries().switch
        words[at.RUN_OTHERS], words[at.TIRE] = entries().run_others, entries().tire
        words[at.FIBER_CAPACITY] = min(threads, FIBERS)
        words[at.STACKS] = _stacks.at_least(min(threads, FIBERS) * at.FIBER_BYTES)
        words[at.LOCAL_SHADOW] = _shadow.at_least(min(threads, FIBERS) * at.FIBER_BYTES) - words[at.STACKS]
        region = words[at.LOCAL_REGION : at.LOCAL_REGION + at.REGION_WORDS]
        region[at.R_KIND], region[at.R_SHADOW] = at.LOCAL, words[at.LOCAL_SHADOW]
        words[at.CHUNK_BYTES] = chunk = _chunk_bytes(dynamic_bytes)
        words[at.CHUNKS] = _chunks.at_least(3 * chunk * min(blocks, CHUNKS))
        words[at.CHUNKS_LEFT] = min(blocks, CHUNKS)
        words[at.LISTS] = _lists.at_least(8 * LISTS * at.KNOWN_WORDS)
        words[at.LIST_CAPACITY] = LISTS
        words[at.DYNAMIC_BYTES] = dynamic_bytes
        words[at.DYNAMIC_UNIT] = 0 if by_bytes else 2
        words[at.STATIC_LIMIT] = STATIC_LIMIT
        words[at.SHARED_LIMIT] = SIMULATED[current().capability].shared_bytes_per_block
        words[at.THREADS] = _threads.at_least(8 * threads * at.THREAD_WORDS)
        words[at.RELEASES] = _releases.at_least(8 * RELEASES * at.RELEASE_WORDS)
        words[at.RELEASE_CAPACITY] = RELEASES

    def _allocate(self, word: int, count: int) -> Words:
        table = np.zeros(max(1, count), np.int64)
        self._kept.append(table)
        state.WORDS[word] = table.ctypes.data
        return table

    def hazards(self) -> list[Words]:
        """Return the recorded hazards.

        A read before any write is omitted if the write raced with it: the missing order is the actual fault.
        """
        records = list(self._hazards.reshape(at.MAX_HAZARDS, at.HAZARD_WORDS)[: int(state.WORDS[at.HAZARD_COUNT])])
        raced = {
            (int(record[at.H_ID]), int(record[site]))
            for record in records
            if record[at.H_KIND] == at.RACE
            for site in (at.H_SITE, at.H_OTHER_SITE)
        }
        return [
            record
            for record in records
            if record[at.H_KIND] != at.UNINITIALISED or (int(record[at.H_ID]), int(record[at.H_SITE])) not in raced
        ]


def forget_chunks() -> None:
    """Release the shared memory of an aborted launch, whose blocks have not cleared it."""
    _chunks.forget()


def _chunk_bytes(dynamic_bytes: int) -> int:
    """Return the most bytes for one block's shared memory and its cells: one cell per four bytes, or per byte."""
    cells = at.CELL_BYTES * (STATIC_LIMIT + dynamic_bytes)
    return (cells + STATIC_LIMIT + dynamic_bytes + (64 << 10) + 4095) // 4096 * 4096
