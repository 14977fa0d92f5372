"""A clock that stops while a training is watched."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StoppableClock:
    """Seconds from any start, without those in ``stopped`` blocks; such blocks may contain each other."""

    def __init__(self) -> None:
        self._left_out = 0.0
        self._stopped_at: float | None = None

    def __call__(self) -> float:
        """Return the time."""
        return (time.perf_counter() if self._stopped_at is None else self._stopped_at) - self._left_out

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let no time pass in the block."""
        if self._stopped_at is not None:
            yield
            return
        start = self._stopped_at = time.perf_counter()
        try:
            yield
        finally:
            self._left_out += time.perf_counter() - start
            self._stopped_at = None
