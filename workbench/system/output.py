"""What another process prints: its beginning and its end are kept, however much it is."""

import os
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, wait

KEPT_BYTES = 1 << 20
"""The bytes that are kept of the beginning, and of the end."""

_CHUNK = 1 << 16

_MOST_CHUNKS = 16
"""As much as a pipe holds: one that is filled without end is not read without end."""


class Output:
    """Collects the output of processes, one after another, from pipes; a thread reads so that no process has to wait."""

    def __init__(self) -> None:
        self._first, self._last = bytearray(), bytearray()
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self.total = 0

    def follow(self, pipe: Connection) -> None:
        """Collect from this pipe until its end; what the one before holds is read first."""
        with self._lock:
            self._read()
            os.set_blocking(pipe.fileno(), False)
            self._pipe = pipe
        threading.Thread(target=self._follow, args=(pipe,), name="output of a process", daemon=True).start()

    def text(self, start: int = 0) -> str:
        """Return the output from byte ``start`` on; a line says what was left out."""
        with self._lock:
            self._read()
            last = self._last[-KEPT_BYTES:]
            begin = self.total - len(last)
            left_out = begin - max(start, len(self._first))
            note = f"\n[{left_out:,} bytes left out]\n".encode() if left_out > 0 else b""
            return (self._first[start:] + note + last[max(0, start - begin) :]).decode(errors="replace")

    def _follow(self, pipe: Connection) -> None:
        while True:
            wait([pipe])
            with self._lock:
                if self._pipe is not pipe or not self._read():
                    pipe.close()
                    return

    def _read(self) -> bool:
        """Keep what the pipe holds now; return False at its end."""
        if self._pipe is None:
            return False
        with suppress(BlockingIOError):  # nothing left for now
            for _ in range(_MOST_CHUNKS):
                text = os.read(self._pipe.fileno(), _CHUNK)
                if not text:
                    self._pipe = None
                    return False
                self._add(text)
        return True

    def _add(self, text: bytes) -> None:
        self.total += len(text)
        room = KEPT_BYTES - len(self._first)
        self._first += text[:room]
        self._last += text[room:]
        if len(self._last) > 2 * KEPT_BYTES:
            del self._last[:-KEPT_BYTES]
