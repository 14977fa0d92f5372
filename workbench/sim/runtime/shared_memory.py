"""Shared memory of blocks, indices outside arrays, exhausted stacks, returned local arrays."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import runtime
from workbench.sim.runtime.fibers import stop
from workbench.sim.runtime.hazards import note
from workbench.sim.runtime.records import block_at
from workbench.sim.runtime.words import fill, get, put


@runtime
def chunk_of(state: int, block: int) -> int:
    """Return a block's memory, fresh or reused from a finished block, with twice as much for cold parts."""
    chunk = get(block, at.B_CHUNK)
    if chunk != 0:
        return chunk
    free = get(state, at.FREE_CHUNK_COUNT)
    if free > 0:
        chunk = get(get(state, at.FREE_CHUNKS), free - 1)
        put(state, at.FREE_CHUNK_COUNT, free - 1)
    else:
        left = get(state, at.CHUNKS_LEFT)
        if left == 0:
            note(state, at.LIMIT, at.TOO_MANY_BLOCKS, -1, -1, 0, 0, 0, 0, 0)
            stop(state)
        put(state, at.CHUNKS_LEFT, left - 1)
        chunk = get(state, at.CHUNKS)
        put(state, at.CHUNKS, chunk + 3 * get(state, at.CHUNK_BYTES))
    put(block, at.B_CHUNK, chunk)
    return chunk


def shared_array(state: int, declaration: int, size: int, shift: int) -> int:
    """Return the region of a shared array of the block, made when its first thread reaches the line.

    Parameters
    ----------
    declaration : the number of the call, or DYNAMIC
    size : bytes
    shift : base-2 logarithm of the bytes per cell
    """
    block = block_at(state, get(state, at.BLOCK))
    each = get(block, at.B_LAST_ARRAY)
    while each != 0:
        if get(each, at.S_DECLARATION) == declaration:
            return get(each, at.S_REGION)
        each = get(each, at.S_PREVIOUS)
    if declaration == at.DYNAMIC:
        size, shift = get(state, at.DYNAMIC_BYTES), get(state, at.DYNAMIC_UNIT)
    else:
        total = get(block, at.B_STATIC) + size
        put(block, at.B_STATIC, total)
        if total > get(state, at.STATIC_LIMIT):
            note(state, at.LIMIT, at.STATIC_TOO_LARGE, -1, -1, 0, 0, 0, total, 0)
            stop(state)
        if total + get(state, at.DYNAMIC_BYTES) > get(state, at.SHARED_LIMIT):
            note(state, at.LIMIT, at.TOGETHER_TOO_LARGE, -1, -1, 0, 0, 0, total, get(state, at.DYNAMIC_BYTES))
            stop(state)
    chunk, used = chunk_of(state, block), get(block, at.B_USED)
    region = chunk + used
    each = region + 8 * at.REGION_WORDS
    data = (each + 8 * at.SHARED_WORDS + 63) // 64 * 64
    cells = (data + size + 63) // 64 * 64
    count = ((size - 1) >> shift) + 1 if get(state, at.HAZARDS_ON) != 0 else 0
    put(block, at.B_USED, cells + at.CELL_BYTES * count - chunk)
    if get(block, at.B_USED) > get(state, at.CHUNK_BYTES):
        note(state, at.LIMIT, at.NO_ROOM, -1, -1, 0, 0, 0, size, 0)
        stop(state)
    put(region, at.R_BASE, data)
    put(region, at.R_SHIFT, shift)
    put(region, at.R_CELLS, cells)
    put(region, at.R_COLD, chunk + get(state, at.CHUNK_BYTES) - 2 * chunk)
    put(region, at.R_KIND, at.SHARED)
    put(region, at.R_ID, declaration)
    put(each, at.S_DECLARATION, declaration)
    put(each, at.S_REGION, region)
    put(each, at.S_PREVIOUS, get(block, at.B_LAST_ARRAY))
    put(block, at.B_LAST_ARRAY, each)
    fill(data, 0xFF, size)
    return region


def give_up(state: int) -> None:
    """End the launch on request."""
    stop(state)


def overflow(state: int) -> None:
    """Report that a thread's stack is used up, and stop the launch."""
    note(state, at.STACK, 0, -1, -1, 0, 0, 0, 0, 0)
    stop(state)


def dangling(state: int) -> None:
    """Report that a device function returns an array of its own frame, and stop the launch."""
    note(state, at.DANGLING, 0, -1, -1, 0, 0, 0, 0, 0)
    stop(state)


@runtime
def can_count_from_the_end(dimensions: int, axes: int) -> bool:
    """Return whether all indices are inside if negative ones count from the end."""
    for axis in range(dimensions):
        index, length = get(axes, axis), get(axes, dimensions + axis)
        if index < -length or index >= length:
            return False
    return True


@runtime
def note_outside(state: int, region: int, array: int, kind: int, dimensions: int, axes: int) -> None:
    """Record an index outside an array."""
    record = note(state, at.OUTSIDE, kind, -1, -1, 0, region, 0, array, dimensions)
    if record != 0:
        for word in range(min(2 * dimensions, 8)):
            put(record, at.H_INDEX + word, get(axes, word))


def outside(state: int, region: int, array: int, kind: int, dimensions: int, axes: int) -> None:
    """Report an index outside an array, and stop the launch: a GPU would touch arbitrary memory.

    ``array`` identifies it to Python; ``axes`` is the address of its indices, then its lengths, one word each. Unless
    NEGATIVE_FAILS is set, negative indices that are inside are replaced there by those from the start; the launch goes on.
    """
    goes_on = False
    if kind & at.FROM_START == 0 and get(state, at.NEGATIVE_FAILS) == 0:
        goes_on = can_count_from_the_end(dimensions, axes)
    if not goes_on or get(state, at.ALLOW_NEGATIVE) == 0:
        put(state, at.TOLERATED, 1 if goes_on else 0)
        note_outside(state, region, array, kind & 7, dimensions, axes)
        put(state, at.TOLERATED, 0)
    if not goes_on:
        stop(state)
    for axis in range(dimensions):
        index = get(axes, axis)
        put(axes, axis, index + get(axes, dimensions + axis) if index < 0 else index)
