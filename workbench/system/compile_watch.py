"""Notifications of Numba's compilations, so that a first start can show what it is waiting for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from workbench.numba_internals.compiling import event


class CompileWatch(event.Listener):  # type: ignore[misc]
    """Collects what Numba compiled: names and seconds, for outermost functions only.

    Attributes
    ----------
    seconds : by the name of the function, summed over its signatures
    """

    def __init__(self, on_start: Callable[[str], None], on_end: Callable[[str, float], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._tell_start, self._tell_end = on_start, on_end
        self._depth, self._started = 0, 0.0

    def on_start(self, event: Any) -> None:
        """Record that a compilation begins; called by Numba."""
        if self._depth == 0:
            self._started = time.perf_counter()
            self._tell_start(_name(event))
        self._depth += 1

    def on_end(self, event: Any) -> None:
        """Record that a compilation ended; called by Numba."""
        self._depth -= 1
        if self._depth == 0:
            name, seconds = _name(event), time.perf_counter() - self._started
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self._tell_end(name, seconds)

    @property
    def total(self) -> float:
        """The total in seconds."""
        return sum(self.seconds.values())


def _name(event: Any) -> str:
    return str(event.data["dispatcher"].py_func.__name__)


def _ignore(*_: Any) -> None:
    """Ignore a notification."""


@contextmanager
def watch_compilation(
    on_start: Callable[[str], None] = _ignore, on_end: Callable[[str, float], None] = _ignore
) -> Iterator[CompileWatch]:
    """Call ``on_start`` (name) and ``on_end`` (name, seconds) for every function that Numba compiles in the block.

    Loading machine code from the cache does not count as compilation.
    """
    watch = CompileWatch(on_start, on_end)
    event.register("numba:compile", watch)
    try:
        yield watch
    finally:
        event.unregister("numba:compile", watch)
