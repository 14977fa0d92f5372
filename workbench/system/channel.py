"""Messages between a process and its child, with time limits; what comes from a child that runs foreign code is data alone.

A message is a head and buffers. The head of a trusted process is a pickle, whose arrays are among the buffers. Unpickling
runs code of the sender's choice, so the head of a process that has loaded a user's file is JSON.
"""

import json
import pickle
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

MOST_BYTES = 1 << 24
"""The largest head of JSON; larger ones are no answers."""

SMALL_BYTES = 1 << 16
"""Buffers of fewer bytes in all are sent at once, since every piece may wake the other process."""

_as_json = json.JSONEncoder().encode
"""Held here, because a user's file may replace what ``json`` has."""

_SIZES = struct.Struct("<QQ")


class NotAnAnswer(Exception):  # noqa: N818 - a finding
    """A child sent something other than an answer."""


class Channel:
    """One end of a connection between two processes.

    Parameters
    ----------
    end : a connected stream socket
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def send(self, message: Any, seconds: float | None = None) -> None:
        """Send a message of any picklable kind.

        Raises
        ------
        TimeoutError
            The other side has not taken it after ``seconds``.
        """
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        self._send(head, [buffer.raw() for buffer in buffers], seconds)

    def receive(self, seconds: float | None = None) -> Any:
        """Return the next message of ``send``.

        Raises
        ------
        TimeoutError
            It has not come after ``seconds``.
        EOFError, OSError
            The other side has ended.
        """
        head, buffers = self._receive(seconds, None, None)
        return pickle.loads(head.data, buffers=[buffer.data for buffer in buffers])

    def send_data(self, message: Any, buffers: Sequence[Any] = ()) -> None:
        """Send a message that JSON can represent, and buffers."""
        self._send(_as_json(message).encode(), [memoryview(buffer).cast("B") for buffer in buffers], None)

    def receive_data(self, seconds: float | None, sizes: Sequence[int]) -> tuple[Any, list[Bytes]]:
        """Return the next message of ``send_data``: its content, and its buffers, none or as many as ``sizes`` says.

        Raises
        ------
        NotAnAnswer
            It is something else.
        TimeoutError, EOFError, OSError
            As ``receive`` does.
        """
        head, buffers = self._receive(seconds, MOST_BYTES, sizes)
        try:
            return json.loads(bytes(head)), buffers
        except (ValueError, RecursionError) as error:
            raise NotAnAnswer("its head is not JSON") from error

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _send(self, head: bytes, buffers: Sequence[memoryview], seconds: float | None) -> None:
        self._socket.settimeout(seconds)
        sizes = struct.pack(f"<{len(buffers)}Q", *(buffer.nbytes for buffer in buffers))
        first = [_SIZES.pack(len(head), len(buffers)), sizes, head]
        if sum(buffer.nbytes for buffer in buffers) < SMALL_BYTES:
            self._socket.sendall(b"".join([*first, *buffers]))
            return
        self._socket.sendall(b"".join(first))
        for buffer in buffers:
            self._socket.sendall(buffer)

    def _receive(
        self, seconds: float | None, most: int | None, allowed: Sequence[int] | None
    ) -> tuple[Bytes, list[Bytes]]:
        deadline = None if seconds is None else time.monotonic() + seconds
        length, count = _SIZES.unpack(self._read(_SIZES.size, deadline).data)
        if (most is not None and length > most) or (allowed is not None and count not in (0, len(allowed))):
            raise NotAnAnswer("its size is not that of an answer")
        sizes = struct.unpack(f"<{count}Q", self._read(8 * count, deadline).data)
        if count and allowed is not None and list(sizes) != list(allowed):
            raise NotAnAnswer("its buffers are not those of an answer")
        head = self._read(length, deadline)
        return head, [self._read(size, deadline) for size in sizes]

    def _read(self, size: int, deadline: float | None) -> Bytes:
        buffer = np.empty(size, np.uint8)
        view = buffer.data
        while view:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left < 0:
                raise TimeoutError
            self._socket.settimeout(left if left is None else max(left, 1e-3))
            count = self._socket.recv_into(view)
            if count == 0:
                raise EOFError
            view = view[count:]
        return buffer
