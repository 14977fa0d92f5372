"""The function of a user's that a process is in, told to the process that waits for it through a file that both map.

Such a function may never end, or end its process: then the one that waits knows which it was.
"""

import functools
import mmap
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from workbench.system.process import COMPILE_SECONDS

CALL_SECONDS = 60.0
"""The time limit of one call."""

ALL_SECONDS = 600.0
"""The time limit of all calls of one function together."""

_RECORD = struct.Struct("=dd?H400s")
"""Since when the process is in a function (0: in none), the seconds of its calls before, whether Numba may compile it now,
and its name with the length."""

Function = TypeVar("Function", bound=Callable[..., Any])


class CallRecord:
    """The record of one process, in a file.

    Parameters
    ----------
    path : the file; it is made if it is new
    """

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            if not path.stat().st_size:
                file.write(bytes(_RECORD.size))
                file.flush()
            self._map = mmap.mmap(file.fileno(), _RECORD.size)
        self._spent: dict[str, float] = {}

    def call(self, name: str, compiles: bool, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a function and record that."""
        outer, start = self._map[:], time.monotonic()
        text = name.encode(errors="replace")[:400]
        self._map[:] = _RECORD.pack(0.0, self._spent.get(name, 0.0), compiles, len(text), text)
        self._map[:8] = struct.pack("=d", start)  # last: until then it is in none
        try:
            return function(*arguments, **options)
        finally:
            self._spent[name] = self._spent.get(name, 0.0) + time.monotonic() - start
            self._map[:8] = bytes(8)
            self._map[8:] = outer[8:]
            self._map[:8] = outer[:8]

    def name(self) -> str:
        """Return the name of the function that the process is in, or was in when it ended; "" if in none."""
        since, _, _, length, text = _RECORD.unpack(self._map[:])
        return text[:length].decode(errors="replace") if since else ""

    def late(self) -> str:
        """Return a line on the function if its time is over, else ""."""
        since, before, compiles, _, _ = _RECORD.unpack(self._map[:])
        taken = time.monotonic() - since if since else 0.0
        limit = CALL_SECONDS + COMPILE_SECONDS if compiles else CALL_SECONDS
        if taken > limit:
            return f"{self.name()} does not end: no result after {limit:g} s"
        if since and before + taken > ALL_SECONDS:
            return f"{self.name()} is too slow: its calls have taken more than {ALL_SECONDS:g} s"
        return ""


_here: CallRecord | None = None


def record_in(path: str) -> None:
    """Record the calls of this process in a file from now on."""
    global _here
    _here = CallRecord(Path(path))


def recorded(name: str, function: Function, *, compiles: bool = False) -> Function:
    """Return a function that records its calls under a name; ``__wrapped__`` is the function itself."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if _here is None:
            return function(*arguments, **options)
        try:
            return _here.call(name, compiles, function, *arguments, **options)
        except (SystemExit, GeneratorExit) as error:
            raise RuntimeError(f"raises {type(error).__name__}") from error

    call.record_name = name  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def recorded_like(other: Callable[..., Any], compiled: Function) -> Function:
    """Return a function that Numba compiles, and that records its calls under the name of another one, if that does."""
    name = getattr(other, "record_name", "")
    return recorded(name, compiled, compiles=True) if name else compiled
