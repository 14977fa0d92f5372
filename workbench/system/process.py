"""A process that answers questions, and may crash or hang over them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

COMPILE_SECONDS = 300.0
"""How long one compilation may take; it does not count against the time for an answer."""

START_SECONDS = 120.0

PERTURB = {"MALLOC_PERTURB_": "128"}
"""glibc fills fresh memory with the inverse, bytes of 0x7f, a huge number in any float dtype: a kernel that reads its
scratch memory before writing it shows."""

OnCompile = Callable[[str, float | None], None]
"""Told the name of what Numba compiles: with None when it begins, with the seconds when it is done."""


_STARTING_OR_ENDING = threading.RLock()
"""Held while a process starts, for it inherits the environment and the search path, which belong to all threads; and while
one is waited for: multiprocessing, starting another, would take its exit status away."""


user_folders: list[str] = []
"""Folders on the search path for imports from beside users' files: a new process must not find its own modules there."""


class NoAnswer(Exception):  # noqa: N818 - a finding
    """The process crashed, or took too long (then ``crashed`` is False); the text says which and is a predicate."""

    def __init__(self, reason: str, *, crashed: bool) -> None:
        super().__init__(reason)
        self.crashed = crashed


class Child:
    """A process running ``serve(reply, receive, *arguments)``, started at the first question and anew after a crash.

    Parameters
    ----------
    serve : an importable function; it calls ``receive()`` for a question and ``reply(answer)``; it ends on EOFError
    arguments : passed on to it; they are pickled
    environment : variables that the process finds set
    on_compile : told what Numba compiles in it
    """

    def __init__(
        self,
        serve: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        environment: Mapping[str, str] = PERTURB,
        on_compile: OnCompile = lambda _name, _seconds: None,
    ) -> None:
        self._serve, self._arguments, self._environment = serve, arguments, environment
        self._on_compile = on_compile
        self._written = 0  # bytes of output by the processes before this one
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._output = tempfile.NamedTemporaryFile(prefix="workbench-")  # noqa: SIM115 - closed with the child

    @property
    def is_running(self) -> bool:
        """Whether the process is there; a question starts it."""
        return self._connection is not None

    def ask(self, question: Any, seconds: float) -> Any:
        """Return the answer to a question.

        Raises
        ------
        NoAnswer
            It crashed, or took longer than ``seconds``, compilation apart; the process is gone.
        """
        if self._connection is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send(question)
        except ConnectionError:
            self._crashed()
        return self.answer(seconds)

    def answer(self, seconds: float) -> Any:
        """Wait for the next answer; see ``ask``."""
        if self._connection is None:
            self._start()
        connection = self._connection
        assert connection is not None
        left, wait = seconds, seconds
        while True:
            started = time.monotonic()
            try:
                if not connection.poll(wait):
                    self.end()
                    raise NoAnswer(f"does not end: no result after {seconds:g} s", crashed=False)
                kind, *content = connection.recv()
            except (EOFError, ConnectionError):
                self._crashed()
            if kind == "answer":
                return content[0]
            name, spent = content
            self._on_compile(name, spent)
            if spent is None:
                left, wait = left - (time.monotonic() - started), COMPILE_SECONDS
            else:
                wait = max(left, 0.0)

    def pause(self) -> None:
        """Stop the process where it stands: threads of its that would spin, waiting for work, leave the cores to others."""
        self._signal("SIGSTOP")

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal("SIGCONT")

    def _signal(self, name: str) -> None:
        if self._process is not None and self._process.pid is not None and hasattr(signal, name):
            with suppress(ProcessLookupError):  # it has died meanwhile, which the next question finds out
                os.kill(self._process.pid, getattr(signal, name))

    def printed(self, start: int = 0) -> str:
        """Return what the process wrote to its standard output and standard error, from byte ``start`` on."""
        self._output.seek(start)
        return self._output.read().decode(errors="replace")

    def close(self) -> None:
        """End the process for good."""
        self.end()
        self._output.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._written = os.fstat(self._output.fileno()).st_size
        arguments = (there, self._output.name, self._serve, self._arguments)
        with _STARTING_OR_ENDING, _environment(self._environment), _without_user_folders():
            self._process = context.Process(target=_run, args=arguments, daemon=True)
            self._process.start()
        there.close()

    def _crashed(self) -> None:
        process = self._process
        assert process is not None
        with _STARTING_OR_ENDING:
            process.join(5)
            code = process.exitcode or 0
            self.end()
        how = (
            f"crashes the process, with {signal.Signals(-code).name}"
            if code < 0
            else f"ends the process, exit code {code}"
        )
        lines = [line.strip() for line in self.printed(self._written).splitlines() if line.strip()]
        said = f" ({lines[-1]})" if lines and len(lines[-1]) < 200 else ""
        raise NoAnswer(f"{how}{said}", crashed=True)

    def end(self) -> None:
        """End the process; the next question starts another."""
        if self._process is not None:
            with _STARTING_OR_ENDING:
                self._process.kill()
                self._process.join()
                self._process.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


@contextmanager
def _without_user_folders() -> Iterator[None]:
    """Let a new process find its own modules before those beside a user's file that go by the same name."""
    before = list(sys.path)
    sys.path[:] = [folder for folder in before if folder not in user_folders]
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _run(connection: Connection, output: str, serve: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Serve in the new process, telling of compilations on the way; what it prints goes to the file ``output``."""
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    _die_with_parent()
    from workbench.system.compile_watch import watch_compilation

    def reply(answer: Any) -> None:
        connection.send(("answer", answer))

    def start(name: str) -> None:
        connection.send(("compiles", name, None))

    def end(name: str, seconds: float) -> None:
        connection.send(("compiles", name, seconds))

    with watch_compilation(start, end):
        try:
            serve(reply, connection.recv, *arguments)
        except (EOFError, ConnectionError):
            return


def _die_with_parent() -> None:
    """Ask the system to kill this process, paused or not, when its parent is gone (Linux; prctl(2))."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1  # noqa: N806 - its name in prctl.h
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
