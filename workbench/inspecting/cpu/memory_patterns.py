"""The order in which a hot loop accesses memory: with gaps, or at indices from another array."""

from collections.abc import Iterator, Sequence

from workbench.inspecting.cpu import x86
from workbench.inspecting.cpu.addresses import Access
from workbench.inspecting.cpu.assembly import Instruction
from workbench.inspecting.cpu.hot_loops import HotLoop

Wrong = Iterator[tuple[Instruction, str, str]]
"""The results of a check: the instruction, what it does, the remedy."""


def strided_loads(loop: HotLoop) -> Wrong:
    """Find reads with gaps."""
    for access in _strided(loop, store=False):
        yield access.instruction, f"reads {_distance(access)}", _remedy(access)


def strided_stores(loop: HotLoop) -> Wrong:
    """Find writes with gaps."""
    for access in _strided(loop, store=True):
        yield access.instruction, f"writes {_distance(access)}", _remedy(access)


_REMEDY = "let the innermost loop run along the last axis of an unsliced array, or copy to that order first"


_REMEDY_OF_GATHER = (
    "let the innermost loop run along the last axis of an unsliced array, with an index that counts up: a computed one, as "
    "n - 1 - i, may be negative for all that the compiler knows"
)


def _remedy(access: Access) -> str:
    return _REMEDY_OF_GATHER if x86.is_gather(access.instruction) else _REMEDY


def _distance(access: Access) -> str:
    if x86.is_gather(access.instruction):
        return "elements one at a time (gather or scatter): they have gaps, or the compiler cannot tell that they have none"
    if access.change.runtime:
        return "with a stride known at run time only, of a row or a slice"
    return f"with a stride of {abs(access.change.step)} bytes for {access.width}"


def _strided(loop: HotLoop, *, store: bool) -> list[Access]:
    """Return the accesses that leave gaps."""
    accesses = [access for access in loop.accesses if access.store == store and access.width]
    all_known = all(access.change.known for access in accesses)
    found = []
    for access in accesses:
        change = access.change
        if change.loaded or not change.known or change.none:
            continue
        together = [other for other in accesses if abs(other.change.step) == abs(change.step)]
        covered = {other.memory.displacement + byte for other in together for byte in range(other.width)}
        if change.runtime or (
            all_known and len(covered) < abs(change.step) and not _interleaved(together, change.step)
        ):
            found.append(access)
    return found


def _interleaved(accesses: Sequence[Access], step: int) -> bool:
    """Return whether several pointers advance together and may fill each other's gaps."""
    pointers = {(access.memory.base, access.memory.index) for access in accesses}
    return len(pointers) > 1 and sum(access.width for access in accesses) >= abs(step)


def gathers(loop: HotLoop) -> Wrong:
    """Find elements that are read from, or written to, loaded addresses."""
    for access in loop.accesses:
        if access.change.loaded:
            verb = "writes" if access.store else "reads"
            yield (
                access.instruction,
                f"{verb} one element at a time, at indices from another array",
                "sort or block the indices so that neighbours are contiguous, or copy them into that order once",
            )
