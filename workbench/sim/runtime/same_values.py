"""Unordered writes of several threads that are allowed because they leave the same value, whatever their order.

A thread may write another value first, if what it writes last is what the others write. So from the first write of another
value on, the last value of each writer of the element is kept. They are compared when the element is read, when the block
passes a barrier or ends, and at the end of the launch: a difference is a race.
"""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import runtime
from workbench.sim.runtime.hazards import note
from workbench.sim.runtime.words import get, get32, get_byte, put


@runtime
def row_at(state: int, number: int) -> int:
    """Return the address of a row: the last value of one writer of one element."""
    return get(state, at.WRITERS) + 8 * at.WRITER_WORDS * number


@runtime
def value_at(address: int, size: int) -> int:
    """Return a value of up to eight bytes in memory."""
    value = 0
    for place in range(min(size, 8)):
        value |= get_byte(address, place) << 8 * place
    return value


@runtime
def is_disputed(state: int, cell: int) -> bool:
    """Return whether the last values of an element's writers are kept."""
    found = False
    for number in range(get(state, at.WRITER_COUNT)):
        if get(row_at(state, number), at.V_CELL) == cell:
            found = True
    return found


@runtime
def keep_last_value(state: int, region: int, cell: int, address: int, size: int) -> bool:
    """Keep the value that the last writer of an element has left there; return whether there is room."""
    thread, count = get32(cell, at.WRITE) - 1, get(state, at.WRITER_COUNT)
    number = 0
    while number < count and (
        get(row_at(state, number), at.V_CELL) != cell or get(row_at(state, number), at.V_THREAD) != thread
    ):
        number += 1
    if number == at.MOST_WRITERS:
        return False
    put(state, at.WRITER_COUNT, max(count, number + 1))
    row = row_at(state, number)
    put(row, at.V_CELL, cell)
    put(row, at.V_THREAD, thread)
    put(row, at.V_VALUE, value_at(address, size))
    put(row, at.V_SITE, get32(cell, at.WRITE + at.S_SITE))
    put(row, at.V_REGION, region)
    put(row, at.V_ADDRESS, address)
    put(row, at.V_BYTES, size)
    return True


@runtime
def compare(state: int, cell: int) -> None:
    """Report a race if the writers of an element have left different values."""
    last, site = get32(cell, at.WRITE) - 1, get32(cell, at.WRITE + at.S_SITE)
    for number in range(get(state, at.WRITER_COUNT)):
        row = row_at(state, number)
        if get(row, at.V_CELL) == cell and get(row, at.V_THREAD) != last:
            address, size = get(row, at.V_ADDRESS), get(row, at.V_BYTES)
            if get(row, at.V_VALUE) != value_at(address, size):
                current, place = get(state, at.CURRENT), get(state, at.SITE)
                put(state, at.CURRENT, last)
                put(state, at.SITE, site)
                other, region = get(row, at.V_THREAD), get(row, at.V_REGION)
                note(state, at.RACE, at.WRITES, other, get(row, at.V_SITE), at.WRITES, region, address, size, 0)
                put(state, at.CURRENT, current)
                put(state, at.SITE, place)
                return


@runtime
def settle(state: int, block: int) -> None:
    """Compare the values of all writers of a block, after which others are ordered; for -1, of all blocks."""
    size, number = get(state, at.THREADS_PER_BLOCK), 0
    while number < get(state, at.WRITER_COUNT):
        row = row_at(state, number)
        cell = get(row, at.V_CELL)
        if block < 0 or (get(row, at.V_THREAD) // size == block and (get32(cell, at.WRITE) - 1) // size == block):
            compare(state, cell)
            last = get(state, at.WRITER_COUNT) - 1
            for word in range(at.WRITER_WORDS):
                put(row, word, get(row_at(state, last), word))
            put(state, at.WRITER_COUNT, last)
        else:
            number += 1
