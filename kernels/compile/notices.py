"""Lines on standard error about the compile cache, each once in a process."""

import sys
from collections.abc import Callable
from contextlib import suppress

_told: set[str] = set()


def say_once(message: str, kind: str = "") -> None:
    """Print a line about the cache on standard error, once for each kind, by default for each message."""
    if (kind or message) not in _told:
        _told.add(kind or message)
        _say(" ".join(message.split()), kind)


def say_through(say: Callable[[str, str], None]) -> None:
    """Pass lines about the cache, and their kind, to a function; for a process whose standard error nobody reads."""
    global _say
    _say = say


def _print(message: str, _kind: str) -> None:
    with suppress(OSError, AttributeError):  # there may be no standard error
        print(f"kernels: {message}", file=sys.stderr)


_say = _print
