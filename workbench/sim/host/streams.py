"""Streams and events: work is done at once; the order that they make is recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from workbench.sim.host import timeline
from workbench.sim.host.timeline import Queue


class Stream:
    """A stream, in place of that of numba-cuda's simulator."""

    def __init__(self, queue: Queue | None = None) -> None:
        self.queue = timeline.new_queue() if queue is None else queue

    def __repr__(self) -> str:
        return f"<simulated CUDA stream: {self.queue.name}>"

    def synchronize(self) -> None:
        """Wait for all work on this stream."""
        timeline.host_waits(self.queue)

    @contextmanager
    def auto_synchronize(self) -> Iterator[Stream]:
        """Wait for all work on this stream at the end of the block."""
        yield self
        self.synchronize()

    def add_callback(self, callback: Callable[[Any, int, Any], Any], arg: Any = None) -> None:
        """Call ``callback(stream, status, arg)`` after all earlier work on this stream: at once, with status 0."""
        callback(self, 0, arg)

    def async_done(self) -> asyncio.Future[Any]:
        """Return a future for the end of all earlier work on this stream."""
        future = asyncio.get_running_loop().create_future()
        self.synchronize()
        future.set_result(self)
        return future


_DEFAULT, _PER_THREAD = Stream(timeline.DEFAULT), Stream(timeline.PER_THREAD)


def default_stream() -> Stream:
    """Return the default stream, which all other streams wait for, and which waits for them."""
    return _DEFAULT


def per_thread_default_stream() -> Stream:
    """Return the default stream of threads, which waits for no other."""
    return _PER_THREAD


def external_stream(_pointer: int) -> Stream:
    """Return a stream that another library has made."""
    return Stream()


def queue_of(stream: Any) -> Queue:
    """Return a stream's queue; of 0 and of other objects, the default stream's."""
    return stream.queue if isinstance(stream, Stream) else timeline.DEFAULT


class Event:
    """An event that records the host's clock, and which work comes before it."""

    def __init__(self, timing: bool = True) -> None:
        self._timing, self._time = timing, 0.0
        self._known: dict[Queue, int] = {}

    def record(self, stream: Any = 0) -> None:
        """Record the time, and the work on the stream until now."""
        self._time = time.perf_counter()
        self._known = timeline.known_to(queue_of(stream))

    def query(self) -> bool:
        """Return whether the recorded work is finished: it is, and from now on the host knows it."""
        self.synchronize()
        return True

    def wait(self, stream: Any = 0) -> None:
        """Let later work on a stream come after the recorded work."""
        queue_of(stream).learn(self._known)

    def synchronize(self) -> None:
        """Wait for the recorded work."""
        timeline.host_learns(self._known)

    def elapsed_time(self, event: Event) -> float:
        """Return the milliseconds from this event to another."""
        if self._time == 0.0 or event._time == 0.0:
            raise RuntimeError("both events must be recorded before their elapsed time is read")
        return (event._time - self._time) * 1e3


def event_elapsed_time(start: Event, end: Event) -> float:
    """Return the milliseconds between two events."""
    return start.elapsed_time(end)
