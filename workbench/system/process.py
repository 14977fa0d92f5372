"""A child process that answers requests, and may crash or hang while doing so."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.resource_tracker import ensure_running, getfd
from pathlib import Path
from typing import Any, NoReturn

from kernels.compile.notices import say_once, say_through
from workbench.system.channel import Channel, NotAnAnswer
from workbench.system.ending import adopt_orphans, die_with_parent, held_signals, release_signals
from workbench.system.guard import end_group, guard_group, new_mark
from workbench.system.output import Output
from workbench.system.search_path import SAFE_PATH, own_path

COMPILE_SECONDS = 300.0
"""Time limit of one compilation; it does not count against the time for an answer."""

COMPILATIONS_SECONDS = 4 * COMPILE_SECONDS
"""Time limit of all compilations during one answer."""

START_SECONDS = 120.0

PERTURB = {"MALLOC_PERTURB_": "128"}
"""glibc fills fresh memory with the inverse: bytes of 0x7f, a huge number in any float dtype. This exposes kernels that
read their scratch memory before writing it."""

OnCompile = Callable[[str, float | None], None]
"""Called with the name of what Numba compiles: with None when it begins, with the seconds when it ends."""


_STARTING_OR_ENDING = threading.RLock()
"""Held while a process starts, since it inherits the environment and the search path, which all threads share; and while
waiting for a process: multiprocessing, starting another one, would collect its exit status."""


class NoAnswer(Exception):  # noqa: N818 - a finding
    """The process crashed, or took too long (then ``crashed`` is False); the message is a predicate that says which.

    ``killed`` is true if a signal ended it that others can have sent: SIGKILL or SIGTERM.
    """

    def __init__(self, reason: str, *, crashed: bool, killed: bool = False) -> None:
        super().__init__(reason)
        self.crashed, self.killed = crashed, killed


class Child:
    """A process running ``serve(reply, receive, *arguments)``, started at the first question and again after a crash.

    It leads a session and process group of its own: the terminal's Ctrl-C does not reach it, and the processes that it
    starts are suspended and end with it. All end with this process, however that ends. Of what it prints, the beginning
    and the end are kept.

    Parameters
    ----------
    serve : an importable function that calls ``receive()`` for a question and ``reply(answer)``; it ends on EOFError
    arguments : passed to it; they are pickled
    environment : environment variables of the process
    on_compile : called with what Numba compiles in it
    is_trusted : False if the process runs foreign code: its answers are then pairs of what JSON can represent and buffers
        of bytes, ``reply(answer, buffers)``; nothing that it sends is unpickled
    """

    def __init__(
        self,
        serve: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        environment: Mapping[str, str] = PERTURB,
        on_compile: OnCompile = lambda _name, _seconds: None,
        is_trusted: bool = True,
    ) -> None:
        self._serve, self._arguments, self._environment = serve, arguments, environment
        self._on_compile, self._is_trusted = on_compile, is_trusted
        self._written = 0  # bytes of output by the previous processes
        self._process: SpawnProcess | None = None
        self._channel: Channel | None = None
        self._output = Output()
        self._is_closed = False

    @property
    def is_running(self) -> bool:
        """Whether the process is running; a question starts it."""
        return self._channel is not None

    def ask(self, question: Any, seconds: float, sizes: Sequence[int] = ()) -> Any:
        """Return the answer to a question.

        Parameters
        ----------
        question : any object that can be pickled
        seconds : the time limit, excluding compilation
        sizes : the bytes of the buffers of an answer, if the process is not trusted; it may also have none

        Raises
        ------
        NoAnswer
            It crashed, or took longer than ``seconds``, excluding compilation; the process has ended.
        """
        if self._channel is None:
            self._start()
        assert self._channel is not None
        try:
            self._channel.send(question, seconds + START_SECONDS)
        except TimeoutError:
            self._late(seconds)
        except OSError:
            self._crashed()
        return self.answer(seconds, sizes)

    def answer(self, seconds: float, sizes: Sequence[int] = ()) -> Any:
        """Wait for the next answer; see ``ask``."""
        if self._channel is None:
            self._start()
        left, wait, compiling = seconds, seconds, COMPILATIONS_SECONDS
        while True:
            started = time.monotonic()
            try:
                kind, *content = self._receive(wait, sizes)
            except TimeoutError:
                self._late(seconds)
            except (EOFError, OSError):
                self._crashed()
            except NotAnAnswer as reason:
                self.end()
                raise NoAnswer(f"sends something other than a result: {reason}", crashed=False) from None
            if kind == "answer":
                return content[0]
            if kind == "says":
                say_once(*content)
                continue
            name, spent = content
            self._on_compile(name, spent)
            if spent is None:
                left, wait = left - (time.monotonic() - started), min(COMPILE_SECONDS, compiling)
            else:
                compiling = max(compiling - (time.monotonic() - started), 0.0)
                wait = max(left, 0.0)

    def _receive(self, seconds: float, sizes: Sequence[int]) -> tuple[Any, ...]:
        """Return the next message: ("answer", answer), ("compiles", name, seconds or None), or ("says", line, kind)."""
        assert self._channel is not None
        if self._is_trusted:
            message: tuple[Any, ...] = self._channel.receive(seconds)
            return message
        message, buffers = self._channel.receive_data(seconds, sizes)
        match message:
            case ["answer", content]:
                return "answer", (content, buffers)
            case ["compiles", str(name), float() | None as spent]:
                return "compiles", name, spent
        raise NotAnAnswer("its form is not that of an answer")

    def _late(self, seconds: float) -> NoReturn:
        self.end()
        raise NoAnswer(f"does not end: no result after {seconds:g} s", crashed=False)

    def pause(self) -> None:
        """Suspend the process, so that threads of it that spin while waiting for work do not occupy the cores."""
        self._signal("SIGSTOP")

    def resume(self) -> None:
        """Continue a suspended process."""
        self._signal("SIGCONT")

    def _signal(self, name: str) -> None:
        if self._process is not None and self._process.pid is not None and hasattr(signal, name):
            with suppress(ProcessLookupError, PermissionError):  # it has died; the next question reports that
                os.killpg(self._process.pid, getattr(signal, name))

    def close(self) -> None:
        """End the process for good."""
        self._is_closed = True
        self.end()

    def abort(self) -> None:
        """End the process for good, from another thread than the one that asks; that gets NoAnswer."""
        self._is_closed = True
        process = self._process
        if process is not None and process.pid is not None:
            end_group(process.pid)

    def printed(self, start: int = 0) -> str:
        """Return the standard output and standard error of the process from byte ``start`` on; much is shortened."""
        return self._output.text(start)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = socket.socketpair()
        self._channel = Channel(here)
        self._written = self._output.total
        pipe, output = context.Pipe(duplex=False)
        self._output.follow(pipe)
        added = tuple(name for name in SAFE_PATH if name not in os.environ)
        arguments = (there, output, added, self._is_trusted, self._serve, self._arguments)
        try:
            with _STARTING_OR_ENDING, _environment(SAFE_PATH), _own_path():
                if os.name == "posix":
                    ensure_running()  # multiprocessing's own helper, which must not bear the mark
                mark = new_mark()
                with _environment(mark | dict(self._environment)), held_signals():
                    process = context.Process(target=_run, args=arguments, daemon=True)
                    process.start()
                    assert process.pid is not None
                    guard_group(process.pid, mark)
                    self._process = process
        except BaseException:  # the system has no room for a process, or a signal came
            self.end()
            raise
        finally:
            there.close()
            output.close()
        if self._is_closed:
            end_group(process.pid)

    def _crashed(self) -> NoReturn:
        process = self._process
        assert process is not None
        with _STARTING_OR_ENDING:
            process.join(5)
            code = process.exitcode or 0
            self.end()
        how = how_it_ended(code)
        lines = [line.strip() for line in self.printed(self._written).splitlines() if line.strip()]
        said = f" ({lines[-1]})" if lines and len(lines[-1]) < 200 else ""
        killed = -code in (signal.SIGKILL, signal.SIGTERM) if hasattr(signal, "SIGKILL") else False
        raise NoAnswer(f"{how}{said}", crashed=True, killed=killed)

    def end(self) -> None:
        """End the process and those that it started; the next question starts another."""
        process, self._process = self._process, None  # first, in case that a signal interrupts this
        if process is not None:
            assert process.pid is not None
            with _STARTING_OR_ENDING:
                end_group(process.pid)
                process.join()
                process.close()
        if self._channel is not None:
            self._channel.close()
        self._channel = None


def how_it_ended(code: int) -> str:
    """Return a predicate for the exit code of a process; it is negative if a signal ended it."""
    return (
        f"crashes the process, with {signal.Signals(-code).name}" if code < 0 else f"ends the process, exit code {code}"
    )


@contextmanager
def _own_path() -> Iterator[None]:
    """Give a new process the path by which it finds its own modules, and no others first."""
    before = list(sys.path)
    sys.path[:] = own_path()
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


def _run(
    end: socket.socket,
    output: Connection,
    added: tuple[str, ...],
    is_trusted: bool,
    serve: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    """Serve in the new process and report compilations; its output goes to a pipe.

    Environment variables in ``added`` are for this process, not for those that a user's file starts.
    """
    _become_leader()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    _close_what_is_the_parents()
    die_with_parent()
    adopt_orphans()
    release_signals()
    for name in added:
        os.environ.pop(name, None)
    from kernels.compile.cache_files import mend_other_caches
    from workbench.system.compile_watch import watch_compilation

    mend_other_caches()
    channel = Channel(end)
    if is_trusted:
        say_through(lambda message, kind: channel.send(("says", message, kind)))

    def reply(answer: Any, buffers: Sequence[Any] = ()) -> None:
        if is_trusted:
            channel.send(("answer", answer))
        else:
            channel.send_data(("answer", answer), buffers)

    def compiles(name: str, seconds: float | None = None) -> None:
        message = ("compiles", name, seconds)
        if is_trusted:
            channel.send(message)
        else:
            channel.send_data(message)

    with watch_compilation(compiles, compiles):
        try:
            serve(reply, channel.receive, *arguments)
        except (EOFError, ConnectionError):
            return


def _close_what_is_the_parents() -> None:
    """Take the terminal's input and the pipe to multiprocessing's helper, which foreign code could read and write."""
    with Path(os.devnull).open("r+b", buffering=0) as nothing:
        os.dup2(nothing.fileno(), 0)
        helper = getfd() if os.name == "posix" else None
        if helper is not None:
            os.dup2(nothing.fileno(), helper, inheritable=False)


def _become_leader() -> None:
    """Leave the terminal and the process group of the parent."""
    if hasattr(os, "setsid"):
        with suppress(PermissionError):  # it is the first of its group already
            os.setsid()
