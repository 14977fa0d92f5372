"""Describe the hazards that the runtime recorded: kernel, lines, threads, array, element, and remedy."""

import ctypes
from collections.abc import Callable

import numpy as np

from workbench.sim.common import sites, state
from workbench.sim.common.errors import KINDS, Hazard
from workbench.sim.host import advice
from workbench.sim.host.readable_places import (
    DYNAMIC_MEMORY,
    Launch,
    Words,
    element,
    is_place,
    memory,
    owner,
    short,
    where,
)
from workbench.sim.runtime import layout as at

VERBS = {
    at.READS: "reads",
    at.WRITES: "writes",
    at.UPDATES: "updates (atomically)",
    at.VOLATILE_READS: "reads (ldcv)",
    at.VOLATILE_WRITES: "writes (stwt)",
}

WAITS = {
    at.UNBORN: "has not started",
    at.READY_TO_RUN: "is elsewhere",
    at.AT_BARRIER: "waits at a barrier of its block",
    at.AT_WARP: "waits in a warp operation",
    at.AT_ACTIVEMASK: "waits in activemask",
    at.AT_GRID: "waits at the grid's barrier",
    at.GONE: "has returned",
}

OPERATIONS = {
    at.SYNC: "syncwarp",
    at.SHUFFLE: "shfl_sync",
    at.SHUFFLE_UP: "shfl_up_sync",
    at.SHUFFLE_DOWN: "shfl_down_sync",
    at.SHUFFLE_XOR: "shfl_xor_sync",
    at.ALL: "all_sync",
    at.ANY: "any_sync",
    at.EQUAL: "eq_sync",
    at.BALLOT: "ballot_sync",
    at.MATCH_ANY: "match_any_sync",
    at.MATCH_ALL: "match_all_sync",
}


def describe(record: Words, launch: Launch) -> Hazard:
    """Describe one record of the runtime."""
    kind = int(record[at.H_KIND])
    summary, lines = _DESCRIPTIONS[kind](record, launch)
    found = [sites.site_at(int(record[at.H_SITE]))]
    if kind == at.RACE or (
        kind in (at.DIVERGENT, at.ABSENT, at.DEADLOCK) and record[at.H_OTHER] >= 0 and is_place(record)
    ):
        found.append(sites.site_at(int(record[at.H_OTHER_SITE])))
    text = "\n".join([f"{KINDS[kind]} in kernel {launch.kernel}: {summary}", *lines])
    known = tuple(dict.fromkeys(site for site in found if site is not None))
    return Hazard(
        kind=KINDS[kind],
        kernel=launch.kernel,
        sites=known,
        summary=summary,
        text=text,
        tolerated=_tolerated(record),
    )


def _tolerated(record: Words) -> str:
    """Return why GPUs tolerate what a record reports; "" if they do not."""
    if record[at.H_TOLERATED] and record[at.H_KIND] == at.OUTSIDE:
        return "Numba counts it from the end on a GPU too: a warning, unless strict=True or --strict is given"
    if record[at.H_TOLERATED] and is_place(record):
        return (
            "GPUs since compute capability 7.0 do not wait for threads that have returned, older ones may hang: a warning, "
            "unless strict=True or --strict is given"
        )
    return ""


def _race(record: Words, launch: Launch) -> tuple[str, list[str]]:
    touched = f"{element(record, launch)} in {memory(record)}"
    own, other = int(record[at.H_THREAD]), int(record[at.H_OTHER])
    parts = [
        (launch.name(own), VERBS[int(record[at.H_ACCESS])], int(record[at.H_SITE])),
        (launch.name(other), VERBS[int(record[at.H_OTHER_ACCESS])], int(record[at.H_OTHER_SITE])),
    ]
    parts.reverse()  # earlier access first
    lines = [f"  {who} {verb} it at {where(site)}" for who, verb, site in parts]
    lines.append("  Nothing orders the two accesses: on a GPU either may come first.")
    if record[at.H_EXTRA]:
        lines.append(
            "  Both write the same value; if this is intended, use --allow-same-value or allow_same_value=True."
        )
    lines.append(f"  {_remedy(own, other, launch, parts)}")
    verbs = f"{parts[0][1]} ({short(parts[0][2])}) and {parts[1][1]} ({short(parts[1][2])})"
    return f"two threads touch {touched}, one {verbs}".replace(") and ", "), the other "), lines


def _remedy(own: int, other: int, launch: Launch, parts: list[tuple[str, str, int]]) -> str:
    (block, _), (other_block, _) = launch.place(own), launch.place(other)
    places = [site for _, _, number in parts if (site := sites.site_at(number)) is not None]
    if lock := advice.of_lock(*places):
        return lock
    if block == other_block and len(places) == 2 and (rounds := advice.of_rounds(*places)):
        return rounds
    atomic = [verb for _, verb, _ in parts if "atomically" in verb]
    if block != other_block:
        return (
            "They are in different blocks, which cuda.syncthreads() does not order: give each element to one block, use "
            "cuda.atomic, split the kernel into two launches, or wait for the whole grid (cuda.cg.this_grid().sync()). "
            "If an atomic operation signals that the element is ready, put cuda.threadfence() before it."
        )
    if parts[0][2] == parts[1][2] and not atomic:
        return (
            "Both are at the same line: give each element to one thread, use cuda.atomic, or put cuda.syncthreads() between "
            "the two accesses, where all threads of the block reach it."
        )
    size = int(np.prod(launch.block))
    within = " (cuda.syncwarp() suffices, as the block is one warp)" if size <= at.WARP else ""
    return f"Put cuda.syncthreads() between the two lines{within}, where all threads of the block reach it."


def _uninitialised(record: Words, launch: Launch) -> tuple[str, list[str]]:
    who = launch.name(int(record[at.H_THREAD]))
    verb = VERBS[int(record[at.H_ACCESS])]
    missing, remedy = _UNWRITTEN[int(record[at.H_MEMORY])]
    lines = [f"  {who} {verb} it at {where(int(record[at.H_SITE]))}"]
    if record[at.H_OTHER_SITE] not in (-1, record[at.H_SITE]):
        lines.append(f"  It matters at {where(int(record[at.H_OTHER_SITE]))}")
    return f"{element(record, launch)} in {memory(record)} is read before {missing}", [*lines, f"  {remedy}"]


_UNWRITTEN = {
    at.SHARED: (
        "any thread of the block has written it",
        "Shared memory holds values from an earlier block: write every element first, then call cuda.syncthreads().",
    ),
    at.GLOBAL: (
        "anything has written it",
        "cuda.device_array does not clear memory: copy zeros to it, or let an earlier kernel write every element.",
    ),
    at.LOCAL: (
        "its thread has written a defined value to it",
        "cuda.local.array does not clear memory: write every element first.",
    ),
}
"""What is missing and the remedy, by the kind of memory."""


def _outside(record: Words, launch: Launch) -> tuple[str, list[str]]:
    count = int(record[at.H_EXTRA])
    values = [int(each) for each in record[at.H_INDEX : at.H_INDEX + 2 * min(count, 4)]]
    index, shape = values[:count], tuple(values[count:])
    name = sites.name_at(int(record[at.H_BYTES])) or owner(record, launch)
    text = ", ".join(map(str, index))
    negative = count <= 4 and all(-length <= each < length for each, length in zip(index, shape, strict=True))
    what = "A GPU does not check this. Guard the access, or fix the index."
    if negative:
        what = (
            "CUDA C addresses memory before the array. If it is meant, write a constant, as in x[-1], or use "
            "--allow-negative-index or allow_negative_index=True."
        )
    elif record[at.H_REGION] != 0 and owner(record, launch) == DYNAMIC_MEMORY:
        what = "The launch's fourth argument is the number of bytes: kernel[blocks, threads, stream, bytes]."
    shown = f"of shape {shape}" if count <= 4 else f"of {count} dimensions"
    verdict = f"a negative index on an array {shown}" if negative else f"outside the array, {shown}"
    return f"{name}[{text}] is {verdict}", [
        f"  {launch.name(int(record[at.H_THREAD]))} {VERBS[int(record[at.H_ACCESS])]} it at "
        f"{where(int(record[at.H_SITE]))}",
        *([f"  {tolerated}."] if (tolerated := _tolerated(record)) else []),
        f"  {what}",
    ]


def _other(record: Words, launch: Launch) -> str:
    other = int(record[at.H_OTHER])
    place = where(int(record[at.H_OTHER_SITE])) if is_place(record) else ""
    return f"  {launch.name(other)} {WAITS[int(record[at.H_OTHER_ACCESS])]}{', ' + place if place else ''}"


def _divergent(record: Words, launch: Launch) -> tuple[str, list[str]]:
    own = int(record[at.H_THREAD])
    lines = [f"  {launch.name(own)} waits, {where(int(record[at.H_SITE]))}", _other(record, launch)]
    if tolerated := _tolerated(record):
        lines.append(f"  {tolerated}.")
    lines.append(
        "  Every thread of the block must reach the same cuda.syncthreads(): move it out of the branch or loop, and do "
        "not return before it."
    )
    return f"not all threads of a block reach the barrier at {short(int(record[at.H_SITE]))}", lines


def _absent(record: Words, launch: Launch) -> tuple[str, list[str]]:
    own, other = int(record[at.H_THREAD]), int(record[at.H_OTHER])
    operation = OPERATIONS[int(record[at.H_ACCESS])]
    mask, place = int(record[at.H_EXTRA]) & 0xFFFFFFFF, where(int(record[at.H_SITE]))
    own_lane = int(np.prod(launch.block)) and own % int(np.prod(launch.block)) % at.WARP
    begin = f"  {launch.name(own)}, lane {own_lane}, is at {place}, mask 0x{mask:08x}"
    if own == other:
        return f"{operation} is called by lane {own_lane}, which is not in its mask 0x{mask:08x}", [
            begin,
            "  A lane must be in the mask that it passes.",
        ]
    if other < 0:
        source = int(record[at.H_OTHER_SITE])
        why = "the block has no such thread" if record[at.H_OTHER_ACCESS] == at.UNBORN else "it is not in the mask"
        return f"{operation} reads from lane {source}, which does not take part: {why}", [
            begin,
            "  The result is undefined: add the source lane to the mask, or do not use its value.",
        ]
    lane = other % int(np.prod(launch.block)) % at.WARP
    return f"{operation} waits for lane {lane}, which is in its mask 0x{mask:08x} but does not call it", [
        begin,
        _other(record, launch),
        "  Every lane of the mask must call the operation with that mask: move it out of the branch, or restrict "
        "the mask to the lanes that call it.",
    ]


def _deadlock(record: Words, launch: Launch) -> tuple[str, list[str]]:
    own, other = int(record[at.H_THREAD]), int(record[at.H_OTHER])
    status = int(record[at.H_ACCESS])
    what = "keeps retrying" if status == at.READY_TO_RUN else WAITS[status]
    lines = [f"  {launch.name(own)} {what}, {where(int(record[at.H_SITE]))}"]
    if other >= 0:
        lines.append(_other(record, launch))
    if status == at.AT_GRID and record[at.H_OTHER_ACCESS] == at.GONE:
        lines.append(
            "  A block arrives at the grid's barrier when its first thread does, so that thread must not return before it."
        )
    lines.append("  No running thread can end this wait.")
    return "threads wait forever", lines


def _limit(record: Words, launch: Launch) -> tuple[str, list[str]]:
    place = where(int(record[at.H_SITE]))
    size = int(record[at.H_BYTES])
    broken = int(record[at.H_ACCESS])
    if broken == at.STATIC_TOO_LARGE:
        summary = f"its shared arrays of constant shape take {size} bytes; a GPU allows 49152 per block"
    elif broken == at.NO_ROOM:
        summary = f"its shared memory exceeds the simulator's limit ({size} bytes)"
    elif broken == at.TOGETHER_TOO_LARGE:
        summary = (
            f"{size} bytes of shared arrays and {int(record[at.H_EXTRA])} of dynamic shared memory together "
            "exceed the limit for a block on a GPU of this compute capability"
        )
    elif broken == at.TOO_MANY_BLOCKS:
        summary = "more blocks with shared memory wait at once than the simulator supports"
    else:
        summary = f"more than {size} threads wait at once, the simulator's limit"
    remedy = "Make the arrays smaller, or use dynamic shared memory (the launch's fourth argument)."
    if broken in (at.TOO_MANY_WAIT, at.TOO_MANY_BLOCKS):
        remedy = "Launch fewer blocks or threads; a real GPU may support more."
    return summary, [f"  {place}", f"  {remedy}"]


def _raised(record: Words, launch: Launch) -> tuple[str, list[str]]:
    return f"it raises {_exception()}", [
        f"  {launch.name(int(record[at.H_THREAD]))} at {where(int(record[at.H_SITE]))}",
        "  A GPU ignores the exception, unless the kernel is compiled with debug=True.",
    ]


def _exception() -> str:
    """Return the text of an exception from Numba's record, which points to a pickled class and its arguments."""
    import pickle

    record = int(state.WORDS[at.EXCEPTION])
    if record == 0:
        return "an exception"
    data = ctypes.c_int64.from_address(record).value
    size = ctypes.c_int32.from_address(record + 8).value
    try:
        kind, arguments, _ = pickle.loads(ctypes.string_at(data, size))
    except Exception:
        return "an exception"
    text = ", ".join(str(each) for each in arguments or () if isinstance(each, str | int | float))
    return f"{kind.__name__}: {text}" if text else str(kind.__name__)


def _stack(record: Words, launch: Launch) -> tuple[str, list[str]]:
    return "a thread needs more than 224 KiB of stack: infinite recursion, or large local arrays?", [
        f"  {launch.name(int(record[at.H_THREAD]))} at {where(int(record[at.H_SITE]))}"
    ]


def _dangling(record: Words, launch: Launch) -> tuple[str, list[str]]:
    return "a device function returns its own local array, which ends with it", [
        f"  {launch.name(int(record[at.H_THREAD]))} at {where(int(record[at.H_SITE]))}",
        "  Make the array in the caller and pass it, or inline the function: @cuda.jit(device=True, inline='always').",
    ]


def _misaligned(record: Words, launch: Launch) -> tuple[str, list[str]]:
    needed = int(record[at.H_EXTRA])
    name = owner(record, launch)
    return f"{name} is accessed at an address that is no multiple of {needed}", [
        f"  {launch.name(int(record[at.H_THREAD]))} {VERBS[int(record[at.H_ACCESS])]} it at "
        f"{where(int(record[at.H_SITE]))}",
        f"  A GPU ends with a misaligned address: let views of {needed}-byte elements start at a multiple of {needed}.",
    ]


_DESCRIPTIONS: dict[int, Callable[[Words, Launch], tuple[str, list[str]]]] = {
    at.RACE: _race,
    at.UNINITIALISED: _uninitialised,
    at.OUTSIDE: _outside,
    at.DIVERGENT: _divergent,
    at.ABSENT: _absent,
    at.DEADLOCK: _deadlock,
    at.LIMIT: _limit,
    at.RAISED: _raised,
    at.STACK: _stack,
    at.DANGLING: _dangling,
    at.MISALIGNED: _misaligned,
}
