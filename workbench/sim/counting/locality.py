"""What caches make of the accesses to global memory: how soon lines are used again, and what blocks have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_serial
from workbench.sim.counting.grouping import SECTOR, SECTORS_OF_LINE, mix
from workbench.sim.runtime import layout as at

DISTANCES = 24
"""Classes of reuse distances: class k is for fewer than 2**k other lines since; one more is for the first use in a block."""

_TIMES = 1 << 12
"""The first number of uses after which those that are a line's last are numbered anew."""

_LINE = SECTOR * SECTORS_OF_LINE
_ADDRESS_MASK = (1 << at.EVENT_MEMORY) - 1
_ALL = (1 << SECTORS_OF_LINE) - 1
_SET = np.array([mask.bit_count() for mask in range(_ALL + 1)])


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What the blocks of a launch touch of one array.

    Attributes
    ----------
    array : the name of the argument
    size : its bytes
    access : whether by loads, or by stores and atomic operations
    bytes : of the different sectors that a recorded block touches, on average
    shared : along x, y and z, the share of them that the next block touches too; 0 where no two neighbours were recorded
    """

    array: str
    size: int
    access: str
    bytes: float
    shared: tuple[float, float, float]


def measure_locality(
    events: NDArray[np.int64],
    instructions: NDArray[np.int64],
    groups: Sequence[NDArray[Any]],
    warps: int,
    grid: tuple[int, int, int],
    recorded: Sequence[int],
    arrays: Sequence[tuple[str, int]],
) -> tuple[NDArray[np.int64], tuple[Footprint, ...]]:
    """Return how soon each instruction uses lines again, and the footprints of the blocks.

    The warps of a block are taken to advance together: of the accesses between two barriers, each makes its first, then each
    its second.

    Parameters
    ----------
    events, instructions : as ``grouping.group`` has them
    groups : of ``grouping.group``: of_group, lanes, last, before, warp_of
    warps : of a block
    grid, recorded : the launch's blocks, and the numbers of those that were recorded
    arrays : the names and bytes of the launch's arrays, by the number of their regions

    Returns
    -------
    reuse : (M, DISTANCES + 1) sectors that are loaded, by instruction and class of reuse distance
    footprints
    """
    of_group, lanes, last, before, warp_of = groups
    order = _interleaved(instructions, of_group, warp_of, warps)
    starts = np.searchsorted(warp_of[order] // warps, np.arange(len(recorded) + 1)).astype(np.int64)
    reuse, firsts = _touch(events, instructions, of_group, lanes, last, before, order, starts)
    return reuse, tuple(_footprints(firsts, grid, recorded, arrays))


def _interleaved(
    instructions: NDArray[np.int64], of_group: NDArray[Any], warp_of: NDArray[Any], warps: int
) -> NDArray[np.int64]:
    """Return the groups that access global memory, block by block, in the order in which warps that advance together do."""
    kinds = instructions[:, 1] >> at.EVENT_KIND
    is_barrier = (kinds == at.MET) & (instructions[:, 0] < 0)
    is_global = (kinds == at.ACCESSED) & (instructions[:, 0] >> at.EVENT_MEMORY & 3 == at.GLOBAL)
    by_warp = np.argsort(warp_of, kind="stable")
    own = warp_of[by_warp].astype(np.int64)
    phase = np.cumsum(is_barrier[of_group[by_warp]])
    kept = is_global[of_group[by_warp]]
    by_warp, own, phase = by_warp[kept], own[kept], phase[kept]
    first = np.flatnonzero(np.diff(own, prepend=-1))
    length = np.diff(np.append(first, len(own)))
    phase -= np.repeat(phase[first], length)
    key = own << 32 | phase
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    rank = np.arange(len(key)) - np.repeat(starts, np.diff(np.append(starts, len(key))))
    return by_warp[np.lexsort((own, rank, phase, own // warps))]


@cpu_inline
def _before(tree: Any, place: int) -> int:
    """Return the sum of a Fenwick tree's first ``place`` values."""
    found = 0
    while place > 0:
        found += tree[place]
        place -= place & -place
    return found


@cpu_inline
def _add(tree: Any, place: int, value: int) -> None:
    place += 1
    while place < tree.shape[0]:
        tree[place] += value
        place += place & -place


@cpu_serial
def _renumbered(when: Any, used: Any, times: int) -> tuple[Any, int]:
    """Number the last uses of lines anew, in their order; return the Fenwick tree of them, and how many they are."""
    own = used[when[used] >= 0]
    own = own[np.argsort(when[own])]
    for number in range(own.shape[0]):
        when[own[number]] = number
    while times < 2 * own.shape[0] + 2:
        times *= 2
    tree = np.zeros(times, np.int32)
    for place in range(own.shape[0]):
        _add(tree, place, 1)
    return tree, own.shape[0]


@cpu_serial
def _touch(
    events: Any, instructions: Any, of_group: Any, lanes: Any, last: Any, before: Any, order: Any, starts: Any
) -> tuple[Any, Any]:
    """Return the classes of reuse distances, and the first uses: rows of block, line, mask of loaded and stored sectors."""
    reuse = np.zeros((instructions.shape[0], DISTANCES + 1), np.int64)
    most = 0
    for block in range(starts.shape[0] - 1):
        touches = 0
        for place in range(starts[block], starts[block + 1]):
            size = instructions[of_group[order[place]], 0] >> at.EVENT_SIZE & 127
            touches += lanes[order[place]] * (1 + ((size - 1) >> 6))
        most = max(most, touches)
    room = 1 << 10
    while room < 2 * most:
        room *= 2
    keys, masks, when = np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros(room, np.int64)
    used = np.zeros(room, np.int64)
    tree = np.zeros(_TIMES, np.int32)
    firsts = np.zeros((1 << 10, 3), np.int64)
    found = 0
    lines, sectors = np.zeros(96, np.int64), np.zeros(96, np.int64)
    for block in range(starts.shape[0] - 1):
        time, count = 0, 0
        tree[:] = 0
        for place in range(starts[block], starts[block + 1]):
            group = order[place]
            instruction = of_group[group]
            what = instructions[instruction, 0]
            size, access = what >> at.EVENT_SIZE & 127, what >> at.EVENT_ACCESS & 15
            loads = access == at.READS or access == at.VOLATILE_READS
            shift = 0 if loads else SECTORS_OF_LINE
            held, event = 0, last[group]
            while event >= 0:
                address = events[event, 0] & _ADDRESS_MASK
                for sector in range(address // SECTOR, (address + size - 1) // SECTOR + 1):
                    line, bit = sector // SECTORS_OF_LINE, 1 << sector % SECTORS_OF_LINE
                    slot = held - 1
                    while slot >= 0 and lines[slot] != line:
                        slot -= 1
                    if slot >= 0:
                        sectors[slot] |= bit
                        continue
                    slot = held  # in the order of their addresses, in whatever order the lanes ran
                    while slot > 0 and lines[slot - 1] > line:
                        lines[slot], sectors[slot] = lines[slot - 1], sectors[slot - 1]
                        slot -= 1
                    lines[slot], sectors[slot] = line, bit
                    held += 1
                event = before[event]
            for number in range(held):
                line, wanted = lines[number], sectors[number]
                slot = mix(line, line >> 20) & room - 1
                while keys[slot] != 0 and keys[slot] != line + 1:
                    slot = slot + 1 & room - 1
                if keys[slot] == 0:
                    keys[slot], masks[slot], when[slot] = line + 1, 0, -1
                    used[count] = slot
                    count += 1
                if loads:
                    if time + 1 == tree.shape[0]:
                        tree, time = _renumbered(when, used[:count], tree.shape[0])
                    known = wanted & masks[slot]
                    fresh = wanted & ~masks[slot] & _ALL
                    if known != 0:
                        distance = _before(tree, time) - _before(tree, when[slot] + 1) if when[slot] >= 0 else 0
                        kind = 0
                        while kind < DISTANCES - 1 and distance >= 1 << kind:
                            kind += 1
                        reuse[instruction, kind] += (known & 1) + (known >> 1 & 1) + (known >> 2 & 1) + (known >> 3 & 1)
                    reuse[instruction, DISTANCES] += (
                        (fresh & 1) + (fresh >> 1 & 1) + (fresh >> 2 & 1) + (fresh >> 3 & 1)
                    )
                    if when[slot] >= 0:
                        _add(tree, when[slot], -1)
                    _add(tree, time, 1)
                    when[slot] = time
                    time += 1
                masks[slot] |= wanted << shift
        while found + count > firsts.shape[0]:
            larger = np.zeros((2 * firsts.shape[0], 3), np.int64)
            larger[:found] = firsts[:found]
            firsts = larger
        for number in range(count):
            slot = used[number]
            firsts[found, 0], firsts[found, 1], firsts[found, 2] = block, keys[slot] - 1, masks[slot]
            found += 1
            keys[slot] = 0
    return reuse, firsts[:found]


def _footprints(
    firsts: NDArray[np.int64], grid: tuple[int, int, int], recorded: Sequence[int], arrays: Sequence[tuple[str, int]]
) -> Iterator[Footprint]:
    """Return the footprints of every array from the first uses of its lines."""
    blocks, lines, masks = firsts.T
    regions = lines >> at.REGION_BITS - _LINE.bit_length() + 1
    place = {number: index for index, number in enumerate(recorded)}
    for region in np.unique(regions).tolist():
        name, size = arrays[region - 1] if 0 < region <= len(arrays) else ("", 1 << 62)
        for access, shift in (("load", 0), ("store", SECTORS_OF_LINE)):
            own = masks >> shift & _ALL
            touched = [
                np.flatnonzero((regions == region) & (own != 0) & (blocks == each)) for each in range(len(place))
            ]
            sizes = [int(_SET[own[rows]].sum()) for rows in touched]
            if not any(sizes):
                continue
            shared = [0.0, 0.0, 0.0]
            for axis in range(3):
                pairs = [(touched[first], touched[second]) for first, second in _neighbours(axis, grid, place)]
                common = whole = 0
                for first, second in pairs:
                    _, left, right = np.intersect1d(lines[first], lines[second], True, True)
                    common += int(_SET[own[first][left] & own[second][right]].sum())
                    whole += int(_SET[own[first]].sum())
                shared[axis] = common / max(whole, 1)
            yield Footprint(
                array=name,
                size=size,
                access=access,
                bytes=SECTOR * sum(sizes) / len(sizes),
                shared=(shared[0], shared[1], shared[2]),
            )


def _neighbours(axis: int, grid: tuple[int, int, int], place: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Return the places of pairs of recorded blocks that are neighbours along an axis."""
    step = prod(grid[:axis])
    for number, index in place.items():
        if number // step % grid[axis] + 1 < grid[axis] and number + step in place:
            yield index, place[number + step]
