"""The time of a server: from the port that it takes to the signal that ends it."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from workbench.demo.server import HOST
from workbench.system.errors import InputError

MOST_REQUESTS = 64
"""The most connections at a time."""

LAST_SECONDS = 2
"""How long requests and the server's thread may take to end."""


def listen_on(port: int) -> socket.socket:
    """Take a port of this machine, 0 for a free one.

    Raises
    ------
    InputError
        The port is occupied or not allowed.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere the option would share the port with a server that listens on it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        reason = "another program uses this port" if error.errno == errno.EADDRINUSE else error.strerror
        raise InputError(f"--port {port}: {reason}; give another port, or 0 for a free one") from error
    return listener


@contextmanager
def served(app: ASGIApp, listener: socket.socket) -> Iterator[threading.Thread]:
    """Serve in a thread, which is yielded, until the block ends."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            server_header=False,
            limit_concurrency=MOST_REQUESTS,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
    )
    # not in the main thread: there it would replace the handlers of signals
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join(LAST_SECONDS)


def open_in_browser(address: str) -> None:
    """Open the page, unless the only browser there could be would take over the terminal."""
    has_screen = sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
    if has_screen:
        webbrowser.open(address)
