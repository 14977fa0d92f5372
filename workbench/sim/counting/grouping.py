"""From the events of single threads to what warps execute: which accesses belong together, and what memory makes of them.

The lanes of a warp execute an instruction together if they are in the same iteration of every loop around it: this is how
hardware brings them together again, after a branch and after a loop. Calls of a function that is not inlined are counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_serial
from workbench.sim.common.places import ORDINALS
from workbench.sim.runtime import layout as at

SECTOR, BANKS, BANK_BYTES, PART_BYTES = 32, 32, 4, 128
"""Bytes of the smallest piece that memory moves; banks of shared memory, their width, and the bytes of one wavefront."""

SECTORS_OF_LINE = 4
"""Sectors in a line of the first-level cache."""

(EXECUTIONS, REQUESTS, SECTORS, NEEDED, USED, WAVEFRONTS, LEAST, ADDRESSES, MOST_SAME, SPLIT, LINES, BY_8, BY_16) = (
    range(13)
)
"""The columns of a total: executions by threads and by warps; 32-byte sectors moved and needed, different bytes; wavefronts
of shared memory or of the first-level cache, and the least number of them; different addresses, and the most lanes at one,
summed over the requests; executions of warps after which lanes go on in different blocks; 128-byte lines; the wavefronts
of shared memory if every lane accesses the aligned 8 or 16 bytes around its value, as after the compiler has merged some."""

COLUMNS = 13

Words = NDArray[np.int64]

_MEMORY_MASK, _SIZE_MASK = 3, 127
_ADDRESS_MASK = (1 << at.EVENT_MEMORY) - 1
_SITE_MASK = (1 << at.EVENT_PLACE) - 1
_PLACE_MASK = (1 << at.EVENT_KIND - at.EVENT_PLACE) - 1
_GOLDEN = 0x1E3779B97F4A7C15


@cpu_inline
def mix(value: int, more: int) -> int:
    """Return a number that depends on two."""
    value = (value ^ more) * _GOLDEN
    return value ^ (value >> 29) & 0x7FFFFFFFF


@cpu_inline
def _slot(keys: Words, first: int, second: int, count: int) -> int:
    """Return the number of a pair of keys, ``count`` if it is new, and its place in a table of numbers and two keys."""
    mask = keys.shape[0] - 1
    place = mix(first, second) & mask
    while keys[place, 0] != 0:
        if keys[place, 1] == first and keys[place, 2] == second:
            return keys[place, 0] - 1
        place = (place + 1) & mask
    keys[place, 0], keys[place, 1], keys[place, 2] = count + 1, first, second
    return count


@cpu_inline
def _iteration(rounds: Any, block: int, blocks: int, heads: Words, head_start: Words, entries: Words) -> int:
    """Return a number for the call and the iteration of every loop that a thread is in, in a block."""
    found = mix(rounds[blocks + entries[block]], block)
    for place in range(head_start[block], head_start[block + 1]):
        found = mix(found, rounds[heads[place]])
    return found


@cpu_inline
def _insert(values: Words, count: int, value: int) -> int:
    """Insert a value into the first ``count``, sorted and different ones; return how many there are then."""
    place = count
    while place > 0 and values[place - 1] > value:
        place -= 1
    if place > 0 and values[place - 1] == value:
        return count
    for moved in range(count, place, -1):
        values[moved] = values[moved - 1]
    values[place] = value
    return count + 1


@cpu_inline
def _in_pairs(address: Words, active: Words, unit: int) -> Any:
    """Return whether each lane accesses the same piece as its neighbour, or as the neighbour but one.

    A wavefront then serves twice as many lanes (NVIDIA Developer Forums, "How to understand the bank conflict of
    shared_mem").
    """
    by_1, by_2 = True, True
    for lane in range(32):
        if active[lane]:
            own = address[lane] // unit
            by_1 = by_1 and (active[lane ^ 1] == 0 or address[lane ^ 1] // unit == own)
            by_2 = by_2 and (active[lane ^ 2] == 0 or address[lane ^ 2] // unit == own)
    return by_1 or by_2


@cpu_inline
def _turns(address: Words, active: Words, size: int, unit: int, pieces: Words, used: Words) -> Any:
    """Return the wavefronts of a request, the least that its lanes could need, and the most words of one bank at a time.

    Parameters
    ----------
    address, active : of the 32 lanes
    size : bytes of a lane's value
    unit : bytes that a lane accesses, the aligned ones around its value
    pieces, used : memory for the words of a wavefront, and for how many of them each bank has
    """
    together = min(32, max(1, PART_BYTES // unit))
    if unit > BANK_BYTES and unit <= 16 and _in_pairs(address, active, unit):
        together *= 2
    turns, least, worst = 0, 0, 0
    for first in range(0, 32, together):
        held, longest = 0, 0
        for lane in range(first, min(first + together, 32)):
            if active[lane]:
                start = address[lane] if unit == size else address[lane] // unit * unit
                for word in range(start // BANK_BYTES, (start + unit - 1) // BANK_BYTES + 1):
                    held = _insert(pieces, held, word)
        used[:] = 0
        for place in range(held):
            bank = pieces[place] % BANKS
            used[bank] += 1
            longest = max(longest, used[bank])
        turns += longest
        least += held > 0
        worst = max(worst, longest)
    return turns, least, worst


@cpu_serial
def group(
    events: Words,
    sampled: Words,
    size: int,
    warps: int,
    heads: Words,
    head_start: Words,
    children: Words,
    child_start: Words,
    entries: Words,
    keys: Words,
    kinds: Words,
) -> Any:
    """Let events that a warp executes together share a group.

    Parameters
    ----------
    events : (N, 2), as recorded
    sampled : for every block of the launch its place among the recorded ones, or -1
    size, warps : threads and warps of a block
    heads, head_start : for every basic block the heads of the loops around it, from ``head_start[b]`` on
    children, child_start : for every head, and from the number of blocks on for every entry, the heads directly inside
    entries : for every basic block the one that its function begins with
    keys, kinds : empty tables, for groups and for instructions: rows of three, as many as a power of two

    Returns
    -------
    instructions : (M, 2) the words of every instruction: the first word without address, the second
    of_group : the instruction of every group
    lanes : of every group
    last : the last event of every group
    before : for every event the one before it in its group, or -1
    lane_of : for every event the lane of its thread
    warp_of : the warp of every group, those of one recorded block after the other
    split : for every group whether its lanes go on in different blocks
    touched : for every thread whether it accesses memory
    entered : for every thread and block how often it entered it
    fits : whether the tables were large enough; the rest holds only then
    """
    count = events.shape[0]
    blocks = entries.shape[0]
    threads = (sampled.max() + 1) * size
    before, lane_of = np.full(count, -1, np.int32), np.zeros(count, np.int8)
    room = keys.shape[0] // 2
    of_group, last = np.zeros(room, np.int32), np.full(room, -1, np.int32)
    masks, following = np.zeros(room, np.int64), np.full(room, -1, np.int32)
    warp_of = np.zeros(room, np.int32)
    split, overflow = np.zeros(room, np.int8), np.full(room, -1, np.int32)
    instructions = np.zeros((kinds.shape[0] // 2, 2), np.int64)
    rounds = np.zeros((threads, 2 * blocks), np.int32)
    entered = np.zeros((threads, blocks), np.int64)
    hashes, here = np.zeros(threads, np.int64), np.zeros(threads, np.int32)
    iteration_of, after = np.zeros(room, np.int64), np.full(room, -1, np.int32)
    recent = np.full(threads, -1, np.int32)
    newest = np.full((threads, blocks), -1, np.int32)
    touched = np.zeros(threads, np.int8)
    groups, known, thread, warp, lane = 0, 0, 0, 0, 0
    fits = True
    for number in range(count):
        if groups + 2 >= room or known + 1 >= instructions.shape[0]:
            fits = False
            break
        first, second = events[number, 0], events[number, 1]
        kind = second >> at.EVENT_KIND
        if kind == at.CHANGED:
            block = first // size
            tid = first - block * size
            thread = sampled[block] * size + tid
            warp, lane = sampled[block] * warps + (tid >> 5), tid & 31
            continue
        if kind == at.BEGAN:
            block = first
            entered[thread, block] += 1
            head = -1
            if entries[block] == block:
                head = blocks + block
                rounds[thread, head] += 1
                for inside in range(child_start[head], child_start[head + 1]):
                    rounds[thread, children[inside]] = 0
            if head_start[block + 1] > head_start[block] and heads[head_start[block + 1] - 1] == block:
                rounds[thread, block] += 1
                for inside in range(child_start[block], child_start[block + 1]):
                    rounds[thread, children[inside]] = 0
            here[thread] = block
            hashes[thread] = _iteration(rounds[thread], block, blocks, heads, head_start, entries)
            earlier = newest[thread, entries[block]]
            if entries[block] != block and earlier >= 0:
                if following[earlier] < 0:
                    following[earlier] = block
                elif following[earlier] != block:
                    split[earlier] = 1
            iteration = hashes[thread]
            word = second
            what = first
        elif kind == at.ACCESSED:
            touched[thread] = 1
            block = (second >> at.EVENT_PLACE & _PLACE_MASK) // ORDINALS
            iteration = hashes[thread]
            if block != 0 and block != here[thread]:
                iteration = _iteration(rounds[thread], block, blocks, heads, head_start, entries)
            word = second
            what = first & ~_ADDRESS_MASK
        else:
            iteration, word, what = hashes[thread], second, first
        found = after[recent[thread]] if recent[thread] >= 0 else -1  # most threads do what one before them did
        instruction = of_group[found] if found >= 0 else 0
        if (
            found < 0
            or iteration_of[found] != iteration
            or warp_of[found] != warp
            or instructions[instruction, 0] != what
            or instructions[instruction, 1] != word
        ):
            instruction = _slot(kinds, what, word, known)
            if instruction == known:
                instructions[known, 0], instructions[known, 1] = what, word
                known += 1
            found = _slot(keys, iteration, np.int64(instruction) * (threads + 1) + warp, groups)
            if found == groups:
                of_group[groups], warp_of[groups], iteration_of[groups] = instruction, warp, iteration
                groups += 1
            if recent[thread] >= 0:
                after[recent[thread]] = found
        recent[thread] = found
        while masks[found] >> lane & 1:  # a second time in one iteration: by another call
            if overflow[found] < 0:
                overflow[found] = groups
                of_group[groups], warp_of[groups] = instruction, warp
                groups += 1
            found = overflow[found]
        masks[found] |= 1 << lane
        before[number], lane_of[number] = last[found], lane
        last[found] = number
        if kind == at.BEGAN:
            newest[thread, entries[block]] = found
    lanes = np.zeros(groups, np.int8)
    for number in range(groups):
        mask = masks[number]
        while mask:
            mask &= mask - 1
            lanes[number] += 1
    own = of_group[:groups], lanes, last[:groups]
    return instructions[:known], *own, before, lane_of, warp_of[:groups], split[:groups], touched, entered, fits


@cpu_serial
def measure(
    events: Words, instructions: Words, of_group: Any, last: Any, before: Any, lane_of: Any, split: Any
) -> tuple[Words, Words]:
    """Return the totals of every instruction.

    Parameters
    ----------
    events : (N, 2), as recorded
    instructions, of_group, last, before, lane_of, split : as ``group`` returns them

    Returns
    -------
    totals : (M, COLUMNS)
    ways : (M, 33), of accesses to shared memory: requests by the most different words of one bank at a time
    """
    totals = np.zeros((instructions.shape[0], COLUMNS), np.int64)
    ways = np.zeros((instructions.shape[0], BANKS + 1), np.int64)
    address, active = np.zeros(32, np.int64), np.zeros(32, np.int64)
    different, pieces, used = np.zeros(32, np.int64), np.zeros(32 * 33, np.int64), np.zeros(BANKS, np.int64)
    for number in range(of_group.shape[0]):
        row, what = totals[of_group[number]], instructions[of_group[number], 0]
        active[:] = 0
        event = last[number]
        while event >= 0:
            address[lane_of[event]], active[lane_of[event]] = events[event, 0] & _ADDRESS_MASK, 1
            event = before[event]
        lanes = active.sum()
        row[EXECUTIONS] += lanes
        row[REQUESTS] += 1
        row[SPLIT] += split[number]
        if instructions[of_group[number], 1] >> at.EVENT_KIND != at.ACCESSED:
            continue
        size, memory = what >> at.EVENT_SIZE & _SIZE_MASK, what >> at.EVENT_MEMORY & _MEMORY_MASK
        count, most = 0, 0
        for lane in range(32):
            if active[lane]:
                count = _insert(different, count, address[lane])
        for place in range(count):
            same = 0
            for lane in range(32):
                same += active[lane] and address[lane] == different[place]
            most = max(most, same)
        row[ADDRESSES] += count
        row[MOST_SAME] += most
        row[USED] += count * size
        if memory != at.LOCAL:
            turns, least, worst = _turns(address, active, size, size, pieces, used)
            row[WAVEFRONTS] += turns
            row[LEAST] += least
        if memory == at.SHARED:
            ways[of_group[number], min(worst, BANKS)] += 1
            row[BY_8] += _turns(address, active, size, max(size, 8), pieces, used)[0]
            row[BY_16] += _turns(address, active, size, max(size, 16), pieces, used)[0]
        elif memory == at.LOCAL:  # one offset of all lanes is a row of memory, four bytes for each lane
            held = 0
            for lane in range(32):
                if active[lane]:
                    held = _insert(pieces, held, address[lane] * 4 + lane // 8)
            row[SECTORS] += held * -(-size // 4)
            row[NEEDED] += -(-lanes * max(size, 4) // SECTOR)
            row[USED] += (lanes - count) * size
        else:
            held = 0
            for place in range(count):
                for sector in range(different[place] // SECTOR, (different[place] + size - 1) // SECTOR + 1):
                    held = _insert(pieces, held, sector)
            row[SECTORS] += held
            row[NEEDED] += -(-count * size // SECTOR)
            line = -1
            for place in range(held):
                row[LINES] += pieces[place] // SECTORS_OF_LINE != line
                line = pieces[place] // SECTORS_OF_LINE
    return totals, ways
