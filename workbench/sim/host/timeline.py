"""What the host has asked for on which stream, and what is ordered: by streams, events, and the host that waits.

Everything is done at once, in the order in which the host asks for it. On a GPU the streams run side by side. So every
operation is kept, with the memory that it touches, until the host has waited for it; one that touches the same memory as an
earlier one, which nothing orders before it, is a hazard.
"""

import itertools
import linecache
import sys
import threading
import weakref
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.sim.common.errors import Hazard, KernelHazard
from workbench.sim.common.settings import current
from workbench.sim.common.sites import Site
from workbench.system.python_code import is_library_file

_HERE = str(Path(__file__).parents[2])


@dataclass(frozen=True, eq=False)
class Footprint:
    """Memory that an operation touches.

    Attributes
    ----------
    start : the first address
    unit : bytes per cell
    reads, writes : whether each cell is read, is written
    """

    start: int
    unit: int
    reads: NDArray[np.bool_]
    writes: NDArray[np.bool_]

    def collides(self, other: "Footprint") -> bool:
        """Return whether two operations touch one byte, and one of them writes it."""
        unit = min(self.unit, other.unit)
        start = max(self.start, other.start)
        stop = min(self.stop, other.stop)
        if stop <= start:
            return False
        mine, theirs = self._between(start, stop, unit), other._between(start, stop, unit)
        return bool(np.any(mine[1] & (theirs[0] | theirs[1])) or np.any(mine[0] & theirs[1]))

    @property
    def stop(self) -> int:
        """The address after the last one."""
        return self.start + self.unit * self.reads.size

    def _between(self, start: int, stop: int, unit: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        places = (np.arange(start, stop, unit) - self.start) // self.unit
        return self.reads[places], self.writes[places]


def footprint_of(array: NDArray[Any], *, writes: bool) -> Footprint | None:
    """Return the memory of a whole array, None if it has no elements."""
    if array.size == 0:
        return None
    forget_with(array)
    start, stop = np.lib.array_utils.byte_bounds(array)
    if array.flags.forc:
        flags, unit = np.ones(1, bool), stop - start
    else:
        flags, unit = np.zeros(stop - start, bool), 1
        first = array.ctypes.data - start
        each = np.lib.stride_tricks.as_strided(flags[first:], (*array.shape, array.itemsize), (*array.strides, 1))
        each[...] = True
    return Footprint(
        start, unit, flags if not writes else np.zeros_like(flags), flags if writes else np.zeros_like(flags)
    )


def forget_with(array: NDArray[Any]) -> None:
    """Forget what was done with an array's memory when it is freed: other arrays may have it then."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if id(owner) not in _owners and owner.size > 0:
        _owners.add(id(owner))
        weakref.finalize(owner, _forget, id(owner), *np.lib.array_utils.byte_bounds(owner))


def _forget(owner: int, start: int, stop: int) -> None:
    _owners.discard(owner)
    for place, each in enumerate(_kept):
        footprints = tuple(one for one in each.footprints if one.stop <= start or stop <= one.start)
        if len(footprints) < len(each.footprints):
            _kept[place] = replace(each, footprints=footprints)


_owners: set[int] = set()


@dataclass(eq=False)
class Queue:
    """A stream's place in the order.

    Attributes
    ----------
    name : its name in reports
    known : for each stream, the number of the last operation that comes before the next one of this stream
    joins_default : whether it and the default stream wait for each other, as streams do unless they are told not to
    """

    name: str
    joins_default: bool = True
    known: MutableMapping["Queue", int] = field(default_factory=weakref.WeakKeyDictionary)

    def learn(self, known: Mapping["Queue", int]) -> None:
        """Let all that is known come before the next operation."""
        for queue, number in known.items():
            self.known[queue] = max(number, self.known.get(queue, 0))


@dataclass(frozen=True, eq=False)
class Operation:
    """A launch or a copy on a stream."""

    number: int
    queue: Queue
    what: str
    site: Site
    footprints: tuple[Footprint, ...]


DEFAULT = Queue("the default stream")
PER_THREAD = Queue("the per-thread default stream", joins_default=False)
_host = Queue("the host")
_queues: weakref.WeakSet[Queue] = weakref.WeakSet({DEFAULT})
"""The streams that there are: a program may make one for every launch, and each would slow down all later launches."""
_numbers = itertools.count(1)
_names = itertools.count(1)
_kept: list[Operation] = []
_lock = threading.RLock()


def new_queue(*, joins_default: bool = True) -> Queue:
    """Return a new stream's queue."""
    queue = Queue(f"stream {next(_names)}", joins_default)
    with _lock:
        _queues.add(queue)
        if joins_default:
            queue.learn(DEFAULT.known)
    return queue


def is_watched() -> bool:
    """Return whether several streams are in use: without them, the order is that of the program."""
    return len(_queues) > 1


def is_pending() -> bool:
    """Return whether there is work that the host has not waited for."""
    return bool(_kept)


def submit(queue: Queue, what: str, footprints: Iterable[Footprint | None], *, waits: bool = False) -> None:
    """Record an operation that the host asks for.

    Parameters
    ----------
    queue : of its stream
    what : the operation, as reports name it
    footprints : the memory that it touches
    waits : whether the host waits for it

    Raises
    ------
    KernelHazard
        It touches memory that an operation on another stream touches, in no order.
    """
    __tracebackhide__ = True
    with _lock:
        _order(queue)
        touched = tuple(each for each in footprints if each is not None)
        operation = Operation(next(_numbers), queue, what, _site(), touched)
        clash = _clash(operation, queue.known)
        queue.known[queue] = operation.number
        if waits:
            host_learns(queue.known)
        else:
            _kept.append(operation)
    if clash is not None and current().hazards:
        raise KernelHazard((_hazard(clash, operation),))


def _order(queue: Queue) -> None:
    """Let a queue's next operation come after those of the default stream, and those of that after all others."""
    if queue is DEFAULT:
        for each in _queues:
            if each.joins_default:
                queue.learn(each.known)
    elif queue.joins_default:
        queue.learn(DEFAULT.known)


def known_to(queue: Queue) -> dict[Queue, int]:
    """Return what comes before the next operation of a queue: what an event records."""
    with _lock:
        _order(queue)
        return dict(queue.known)


def host_learns(known: Mapping[Queue, int]) -> None:
    """Record that the host has waited for operations, which no longer matter then."""
    with _lock:
        _kept[:] = [each for each in _kept if each.number > known.get(each.queue, 0)]


def host_waits(queue: Queue) -> None:
    """Record that the host waits for a stream."""
    host_learns(known_to(queue))


def host_waits_for_all() -> None:
    """Record that the host waits for the device."""
    with _lock:
        _kept.clear()


def host_touches(array: NDArray[Any], *, writes: bool) -> None:
    """Check an access of the host to memory that operations may touch as well.

    Raises
    ------
    KernelHazard
        The host has not waited for an operation that touches the memory.
    """
    __tracebackhide__ = True
    if not _kept or not current().hazards:
        return
    footprint = footprint_of(array, writes=writes)
    if footprint is None:
        return
    access = Operation(0, _host, "the host's access", _site(), (footprint,))
    clash = _clash(access, {})
    if clash is not None:
        verb = "writes" if writes else "reads"
        summary = f"the host {verb} memory before it has waited for {clash.what}"
        lines = (
            f"  {clash.what} on {clash.queue.name}: {_place(clash.site)}",
            f"  the host {verb} it: {_place(access.site)}",
            "  Call cuda.synchronize(), or synchronize() of the stream or of an event after it, in between.",
        )
        raise KernelHazard((_made(clash, access, summary, lines),))


def _clash(operation: Operation, known: Mapping[Queue, int]) -> Operation | None:
    """Return an earlier operation that touches the same memory, in no order."""
    for earlier in _kept:
        if earlier.number > known.get(earlier.queue, 0) and any(
            one.collides(other) for one in earlier.footprints for other in operation.footprints
        ):
            return earlier
    return None


def _hazard(earlier: Operation, later: Operation) -> Hazard:
    summary = f"{earlier.what} and {later.what} touch the same memory on two streams, and one of them writes it"
    lines = (
        f"  {earlier.what} on {earlier.queue.name}: {_place(earlier.site)}",
        f"  {later.what} on {later.queue.name}: {_place(later.site)}",
        "  Nothing orders the two: on a GPU they may run at the same time.",
        "  Use one stream, or record an event after the first and let the other stream wait for it (event.wait(stream)).",
    )
    return _made(earlier, later, summary, lines)


def _made(earlier: Operation, later: Operation, summary: str, lines: tuple[str, ...]) -> Hazard:
    sites = tuple(dict.fromkeys((earlier.site, later.site)))
    return Hazard(
        kind="race", kernel=earlier.what, sites=sites, summary=summary, text="\n".join((f"race: {summary}", *lines))
    )


def _site() -> Site:
    """Return the place on the host that asks for an operation, outside this package and libraries."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_HERE) or is_library_file(frame.f_code.co_filename)
    ):
        frame = frame.f_back
    return Site(function=frame.f_code.co_name, file=frame.f_code.co_filename, line=frame.f_lineno)


def _place(site: Site) -> str:
    return f"{Path(site.file).name}:{site.line}  {linecache.getline(site.file, site.line).strip() or '(no source)'}"
