"""Loads and stores in which the threads of a warp are far apart, in global memory, or meet in a bank, in shared memory.

The threads of a warp have consecutive places in the block, ``threadIdx.x`` first. Memory moves pieces of 32 bytes: where the
values of a warp lie in more pieces than they fill, some of what is moved is not used (CUDA C++ Best Practices Guide,
"Coalesced Access to Global Memory"). Shared memory has 32 banks of 4 bytes: different words of one bank follow one another
("Shared Memory and Memory Banks"). Addresses that are not known are not reported: those of an index that was divided, read
from memory, or multiplied by a number that only the kernel computes.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from workbench.inspecting.cuda.lines import location
from workbench.inspecting.cuda.recording import RecordedLaunch
from workbench.inspecting.cuda.sass import Function, Instruction, Location
from workbench.inspecting.cuda.thread_values import ROW, Numbers, ThreadValues
from workbench.inspecting.finding import Finding
from workbench.system.compute_capability import WARP

SECTOR_BYTES = 32
"""The smallest piece that memory moves."""

FEW_SECTORS = 8
"""Below this number of pieces an access of a warp is fast enough, whatever it uses of them."""

BANKS, BANK_BYTES = 32, 4

MANY_TURNS = 4
"""From this factor on, the turns that a warp waits for a bank are reported."""

_ACCESS = re.compile(
    r"^(?P<kind>ld|st)(?:\.\w+)*?\.(?P<space>global|shared)(?:[.:]+\w+)*?(?:\.v(?P<lanes>[248]))?\.[a-z](?P<bits>\d+)$"
)
_ADDRESS = re.compile(r"\[(?P<register>%\w+)(?:\+-?\d+)?\]")


@dataclass(frozen=True, kw_only=True)
class _Access:
    """A load or store whose addresses in the threads of a block are known, but for a common part.

    Attributes
    ----------
    kind : "ld" or "st"
    size : bytes for each thread
    warps : the addresses of each warp
    """

    kind: str
    size: int
    warps: tuple[tuple[int, ...], ...]


def warp_accesses(code: Function, launch: RecordedLaunch) -> Iterator[Finding]:
    """Find accesses of global memory that move more than they use, and accesses of shared memory that share banks.

    Parameters
    ----------
    code : the kernel's PTX
    launch : how it is launched
    """
    values = ThreadValues(code, launch)
    for space, slow, finding in (("global", _is_strided, _strided), ("shared", _has_conflicts, _conflicting)):
        found: dict[Location, dict[str, _Access]] = {}
        for each in code.instructions:
            access = _access(each, space, values)
            if access is not None and slow(access):
                found.setdefault(location(each), {}).setdefault(access.kind, access)
        for place, accesses in sorted(found.items()):
            yield finding(place, accesses, launch)


def _access(instruction: Instruction, space: str, values: ThreadValues) -> _Access | None:
    """Return an instruction's access to a space of memory; None where there is none, or its addresses are not known."""
    found, address = _ACCESS.match(instruction.opcode), _ADDRESS.search(instruction.operands)
    if found is None or address is None or found["space"] != space:
        return None
    value = values.of(address["register"])
    if value is None or value.apart is None:
        return None
    apart: Numbers = value.apart
    return _Access(
        kind=found["kind"],
        size=int(found["bits"]) // 8 * int(found["lanes"] or 1),
        warps=tuple(tuple(apart[warp]) for warp in values.warps),
    )


def _is_strided(access: _Access) -> bool:
    """Return whether a warp touches twice as many pieces of memory as it must, and half of the neighbours share none."""
    touched = sum(_sectors(warp, access.size) for warp in access.warps)
    if touched < FEW_SECTORS * len(access.warps) or touched < 2 * _needed(access):
        return False
    apart = _distances(access)
    far = sum(number for distance, number in apart.items() if distance >= max(SECTOR_BYTES, 2 * access.size))
    return 2 * far >= sum(apart.values()) - len(access.warps)


def _sectors(addresses: Sequence[int], size: int) -> int:
    """Return how many pieces of memory an access of a warp touches."""
    return len({piece for first in addresses for piece in _pieces(first, size, SECTOR_BYTES)})


def _pieces(first: int, size: int, of: int) -> range:
    return range(first // of, (first + size - 1) // of + 1)


def _needed(access: _Access) -> int:
    """Return how many pieces the different values of the warps would fill, if they were next to each other."""
    return sum(-(-len(set(warp)) * access.size // SECTOR_BYTES) for warp in access.warps)


def _distances(access: _Access) -> Counter[int]:
    """Count the distances between neighbouring threads."""
    pairs = [pair for warp in access.warps for pair in pairwise(warp)]
    return Counter(abs(after - before) for before, after in pairs)


def _strided(place: Location, accesses: Mapping[str, _Access], launch: RecordedLaunch) -> Finding:
    access = next(iter(accesses.values()))
    warps = len(access.warps)
    touched = sum(_sectors(warp, access.size) for warp in access.warps) // warps
    far = Counter({distance: number for distance, number in _distances(access).items() if distance >= SECTOR_BYTES})
    distance = far.most_common(1)[0][0]
    return Finding(
        kind="strided",
        file=place[0],
        line=place[1],
        what=(
            f"{_verbs(accesses)} global memory with neighbouring threads {_words(distance)} apart: a warp touches {touched} "
            f"pieces of {SECTOR_BYTES} bytes where its values would fit into {-(-_needed(access) // warps)}"
        ),
        remedy=_remedy(access, launch),
    )


def _remedy(access: _Access, launch: RecordedLaunch) -> str:
    width = WARP if launch.block is None else launch.block[0]
    across = [abs(after - before) for before, after in pairwise(access.warps[0][:width])]
    if all(distance < SECTOR_BYTES for distance in across):
        return f"make the block {WARP} threads wide: it has {width} in x, and the next threads are in another row"
    return "let threadIdx.x run along the last axis (j, i = cuda.grid(2) for x[i, j]), or go through shared memory"


def _words(distance: int) -> str:
    return f"{distance} bytes" if distance < ROW else "a row or more"


def _verbs(accesses: Mapping[str, _Access]) -> str:
    return " and ".join(verb for kind, verb in (("ld", "reads"), ("st", "writes")) if kind in accesses)


def _has_conflicts(access: _Access) -> bool:
    """Return whether the threads of a warp wait for each other; rows of a length that is not known may be padded."""
    if any(abs(address) >= ROW for warp in access.warps for address in warp):
        return False
    return _all_turns(access.warps, access.size) >= MANY_TURNS * len(access.warps)


def _all_turns(warps: Sequence[Sequence[int]], size: int) -> int:
    """Return how many times longer than without conflicts the warps' accesses to shared memory take, added up."""
    together = WARP * BANK_BYTES // max(size, BANK_BYTES)  # threads that are served at a time
    return sum(
        max(_turns(warp[first : first + together], size) for first in range(0, len(warp), together)) for warp in warps
    )


def _turns(addresses: Sequence[int], size: int) -> int:
    """Return the number of different words that the busiest bank is asked for."""
    words = {word for first in addresses for word in _pieces(first, size, BANK_BYTES)}
    return max(Counter(word % BANKS for word in words).values())


def _conflicting(place: Location, accesses: Mapping[str, _Access], _launch: RecordedLaunch) -> Finding:
    access = max(accesses.values(), key=lambda each: _all_turns(each.warps, each.size))
    number = _all_turns(access.warps, access.size) // len(access.warps)
    return Finding(
        kind="bank-conflict",
        file=place[0],
        line=place[1],
        what=(
            f"{_verbs(accesses)} shared memory with {number} threads of a warp in one bank, at different addresses: "
            f"they take {number} turns"
        ),
        remedy=(
            "pad the rows of the array by one element, cuda.shared.array((N, PADDED), ...) with a global PADDED = N + 1, "
            "or let threadIdx.x run along its last axis"
        ),
    )
