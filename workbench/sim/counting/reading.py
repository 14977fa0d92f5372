"""From a launch's events to its counters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.sim.common import places
from workbench.sim.common.places import BasicBlock
from workbench.sim.common.sites import Site, site_at
from workbench.sim.counting import grouping
from workbench.sim.counting.counters import AccessCounters, BlockCounters, LaunchCounters, MeetingCounters
from workbench.sim.counting.locality import measure_locality
from workbench.sim.runtime import layout as at

_MEMORIES: Any = {at.GLOBAL: "global", at.SHARED: "shared", at.LOCAL: "local"}
_ACCESSES: Any = {
    at.READS: "load",
    at.WRITES: "store",
    at.UPDATES: "atomic",
    at.VOLATILE_READS: "load",
    at.VOLATILE_WRITES: "store",
    at.COMPARE_AND_SWAP: "compare-and-swap",
}
_UNKNOWN = Site(function="", file="", line=0)
_KINDS = 1 << 14
"""Rows of the table of instructions."""


def read_events(
    events: NDArray[np.int64],
    kernel: Callable[..., Any],
    grid: tuple[int, int, int],
    block: tuple[int, int, int],
    dynamic_bytes: int,
    recorded: Sequence[int],
    arrays: Sequence[tuple[str, int]],
    *,
    cut: bool,
) -> LaunchCounters:
    """Return the counters of a launch.

    Parameters
    ----------
    events : (N, 2), as the runtime recorded them
    arrays : the names and bytes of the launch's arrays, by the number of their regions
    kernel : its Python function
    grid, block, dynamic_bytes, recorded, cut : see ``LaunchCounters``
    """
    size, blocks = int(np.prod(block)), int(np.prod(grid))
    sampled = np.full(blocks, -1, np.int64)
    sampled[list(recorded)] = np.arange(len(recorded))
    structure = _structure(places.BLOCKS)
    room, fits = 1 << max(12, int(events.shape[0] // 4).bit_length()), False
    while not fits:
        keys, kinds = np.zeros((room, 3), np.int64), np.zeros((_KINDS, 3), np.int64)
        *found, touched, entered, fits = grouping.group(
            events, sampled, size, -(-size // at.WARP), *structure, keys, kinds
        )
        room *= 4
    instructions, of_group, lanes, last, before, lane_of, warp_of, split = found
    totals, ways = grouping.measure(events, instructions, of_group, last, before, lane_of, split)
    reuse, footprints = measure_locality(
        events, instructions, (of_group, lanes, last, before, warp_of), -(-size // at.WARP), grid, recorded, arrays
    )
    example = events[last[np.unique(of_group, return_index=True)[1]], 0]  # one event of every instruction
    accesses, counted, meetings = [], [], []
    rows = zip(instructions.tolist(), totals.tolist(), ways, reuse.tolist(), example.tolist(), strict=True)
    one_of = 1 if len(recorded) == blocks else len(recorded)  # local memory is recorded of one block of a sample
    for (first, second), total, turns, distances, word in rows:
        kind = second >> at.EVENT_KIND
        if kind == at.BEGAN:
            counted.append(_block(first, total, entered))
        elif kind == at.MET:
            site = site_at(second & (1 << at.EVENT_PLACE) - 1) or _UNKNOWN
            what: Any = "barrier" if first < 0 else "warp operation"
            meetings.append(
                MeetingCounters(
                    site=site,
                    what=what,
                    executions=total[grouping.EXECUTIONS],
                    requests=total[grouping.REQUESTS],
                )
            )
        else:
            region = (word & (1 << at.EVENT_MEMORY) - 1) >> at.REGION_BITS
            name = arrays[region - 1][0] if 0 < region <= len(arrays) else ""
            if first >> at.EVENT_MEMORY & 3 == at.LOCAL:
                total = [one_of * count for count in total]
            accesses.append(_access(first, second, total, turns, distances, name))
    return LaunchCounters(
        kernel=kernel.__name__,
        identity=id(kernel),
        grid=grid,
        block=block,
        dynamic_bytes=dynamic_bytes,
        recorded=tuple(recorded),
        cut=cut,
        accesses=tuple(sorted(accesses, key=lambda each: (each.site.file, each.site.line))),
        blocks=tuple(sorted(counted, key=lambda each: each.block.lines[:1] and each.block.lines[0].line)),
        meetings=tuple(sorted(meetings, key=lambda each: (each.site.file, each.site.line))),
        unreached=_unreached([each.block for each in counted]),
        threads=len(recorded) * size,
        idle_threads=len(recorded) * size - int(touched.sum()),
        hottest_address=_hottest(events, instructions),
        footprints=footprints,
        work=tuple(np.bincount(warp_of // -(-size // at.WARP), minlength=len(recorded)).tolist()),
    )


def _structure(
    blocks: Sequence[BasicBlock | None],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the arrays that ``group`` needs of the basic blocks."""
    heads: list[list[int]] = [[] if each is None else list(each.loops) for each in blocks]
    entries = np.array([0 if each is None else each.entry for each in blocks], np.int64)
    inside: list[list[int]] = [[] for _ in range(2 * len(blocks))]
    for number, each in enumerate(blocks):
        if each is not None and each.is_head:
            around = each.loops[-2] if len(each.loops) > 1 else len(blocks) + each.entry
            inside[around].append(number)
    return (*_flat(heads), *_flat(inside), entries)


def _flat(lists: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return lists one after the other, and where each starts."""
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return np.array([number for each in lists for number in each], np.int64), starts


def _access(
    first: int, second: int, total: list[int], turns: NDArray[np.int64], distances: list[int], name: str
) -> AccessCounters:
    place = second >> at.EVENT_PLACE & (1 << at.EVENT_KIND - at.EVENT_PLACE) - 1
    return AccessCounters(
        site=site_at(second & (1 << at.EVENT_PLACE) - 1) or _UNKNOWN,
        block=places.BLOCKS[places.block_of(place)],
        array=name,
        memory=_MEMORIES[first >> at.EVENT_MEMORY & 3],
        access=_ACCESSES[first >> at.EVENT_ACCESS & 15],
        bytes=first >> at.EVENT_SIZE & 127,
        executions=total[grouping.EXECUTIONS],
        requests=total[grouping.REQUESTS],
        sectors=total[grouping.SECTORS],
        sectors_needed=total[grouping.NEEDED],
        bytes_used=total[grouping.USED],
        wavefronts=total[grouping.WAVEFRONTS],
        least_wavefronts=total[grouping.LEAST],
        wavefronts_by_8=total[grouping.BY_8],
        wavefronts_by_16=total[grouping.BY_16],
        lines=total[grouping.LINES],
        reuse=tuple(distances),
        ways={int(ways): int(turns[ways]) for ways in np.flatnonzero(turns)},
        addresses=total[grouping.ADDRESSES],
        most_at_one_address=total[grouping.MOST_SAME],
    )


def _block(number: int, total: list[int], entered: NDArray[np.int64]) -> BlockCounters:
    block = places.BLOCKS[number]
    assert block is not None
    return BlockCounters(
        block=block,
        executions=total[grouping.EXECUTIONS],
        warp_executions=total[grouping.REQUESTS],
        splits=total[grouping.SPLIT],
        most_by_one_thread=int(entered[:, number].max()),
    )


def _unreached(entered: Sequence[BasicBlock]) -> frozenset[Site]:
    """Return the places of functions that were called which no thread executed, from the blocks that were entered."""
    functions = {each.entry for each in entered}
    own = [each for each in places.BLOCKS if each is not None and each.entry in functions]
    return frozenset(site for each in own for site in each.lines) - {site for each in entered for site in each.lines}


def _hottest(events: NDArray[np.int64], instructions: NDArray[np.int64]) -> int:
    """Return the most atomic operations at one address of global memory."""
    if not _is_atomic(instructions).any():
        return 0
    addresses = events[_is_atomic(events), 0] & (1 << at.EVENT_MEMORY) - 1
    return int(np.unique(addresses, return_counts=True)[1].max(initial=0))


def _is_atomic(words: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which events, or instructions, are atomic operations on global memory."""
    first, kinds = words[:, 0], words[:, 1] >> at.EVENT_KIND
    access, memory = first >> at.EVENT_ACCESS & 15, first >> at.EVENT_MEMORY & 3
    return (kinds == at.ACCESSED) & np.isin(access, (at.UPDATES, at.COMPARE_AND_SWAP)) & (memory == at.GLOBAL)
