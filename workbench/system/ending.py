"""The end of a command by a signal: Ctrl-C, SIGQUIT, SIGTERM and SIGHUP take the same way out, and leave nothing behind.

A signal raises ``Ended`` in the main thread, wherever that is, so that ``finally`` blocks run. An exception that is lost, as
in a callback of a C library, is raised again. If it must wait, as for a long compilation, a thread that sees the signal too
ends the command after some seconds, at a second signal at once. What is guarded (``guard``) ends with it.
"""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from workbench.system import guard

GRACE_SECONDS = 5.0
"""How long a command may take to end after a signal."""

AGAIN_SECONDS = 0.05

_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

_received: int | None = None
_is_held = False
_meanwhile: str | None = None
_repeated = 0
_messages = 2


class Ended(KeyboardInterrupt):
    """A signal has ended the command. The message says which, ``code`` is the exit code: 130, 131, 143 or 129."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__("interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}")
        self.number = number

    @property
    def code(self) -> int:
        """The exit code that shells use for a process that the signal ended."""
        return 128 + self.number


@contextmanager
def held_signals() -> Iterator[None]:
    """Start a process in the block: neither does a signal leave it half started, nor does it get one before it is ready.

    It inherits that signals are held back, until it calls ``release_signals``.
    """
    global _is_held
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    is_main = threading.current_thread() is threading.main_thread()  # where the exception would be raised
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)
    _is_held = _is_held or is_main
    try:
        yield
    finally:
        _is_held = _is_held and not is_main
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if is_main and (signal_received := ended()) is not None:
        raise signal_received


@contextmanager
def deferred_signals(meanwhile: str) -> Iterator[None]:
    """Let the block finish what must not be interrupted: a signal is raised at its end.

    The block asks ``ended()`` whether there was a signal. A second one ends the command at once.

    Parameters
    ----------
    meanwhile : what still happens after a signal, which is then printed
    """
    global _meanwhile
    before, _meanwhile = _meanwhile, meanwhile
    try:
        yield
    finally:
        _meanwhile = before
    if before is None and (signal_received := ended()) is not None:
        raise signal_received


def release_signals() -> None:
    """Take the signals that were held back when this process was started."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _NUMBERS)


def die_with_parent() -> None:
    """Ask the system to kill this process, even if suspended, when its parent ends (Linux; prctl(2))."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1  # noqa: N806 - its name in prctl.h
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends, so that they can be found (Linux; prctl(2))."""
    if sys.platform == "linux":
        PR_SET_CHILD_SUBREAPER = 36  # noqa: N806 - its name in prctl.h
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def listen() -> None:
    """Raise Ended at these signals from now on, unless they are ignored, as after nohup; for a command's main thread."""
    global _messages
    _fill_streams()
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _not_raised
    print_error = sys.excepthook
    sys.excepthook = lambda kind, error, trace: _lost(error) or print_error(kind, error, trace)
    _messages = os.dup(2)  # what LLVM prints is caught at times, by another file as number 2
    if os.name == "posix":
        seen, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(seen,), name="signals", daemon=True).start()


def _fill_streams() -> None:
    """Open the null device in place of standard streams that are closed: another file or pipe would take their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def ended() -> Ended | None:
    """Return the signal that is ending this process; None if there is none."""
    return None if _received is None else Ended(_received)


def leave(code: int) -> NoReturn:
    """End this process. After a signal nothing that still runs is waited for."""
    if _received is None:
        _default_actions()
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    guard.end_all()
    os._exit(code)


def _default_actions() -> None:
    """Let signals end this process while Python shuts down, when an exception could only be printed."""
    for number in _NUMBERS:
        if signal.getsignal(number) is _raise:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: FrameType | None) -> None:
    global _received
    _received = _received or number
    if not _is_held and _meanwhile is None:
        raise Ended(number)


def _not_raised(unraisable: Any) -> None:
    if not _lost(unraisable.exc_value):
        sys.__unraisablehook__(unraisable)


def _lost(error: BaseException | None) -> bool:
    """Raise the exception of a signal again where a library in C would print it; return False for other exceptions."""
    if not isinstance(error, Ended):
        return False
    if not hasattr(signal, "pthread_kill"):
        _end_at_once(error)
    threading.Thread(target=_raise_again, args=(error.number,), daemon=True).start()
    return True


def _raise_again(number: int) -> None:
    """Send a signal once more to the main thread, when it has left the place where an exception is lost."""
    global _repeated
    time.sleep(AGAIN_SECONDS)
    _repeated += 1
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, number)


def _watch(seen: int) -> None:
    """Wait for the bytes that the system writes for every signal."""
    global _repeated
    first: Ended | None = None
    deadline = 0.0
    while True:
        left = None if first is None else max(deadline - time.monotonic(), 0)
        if not select.select([seen], [], [], left)[0]:
            assert first is not None
            if _meanwhile is None:
                _end_at_once(first)
            deadline = time.monotonic() + GRACE_SECONDS
            continue
        number = os.read(seen, 1)[0]
        if number not in _NUMBERS:
            continue
        if first is not None and _repeated:
            _repeated -= 1
            continue
        if first is not None:
            _end_at_once(first)
        first, deadline = Ended(number), time.monotonic() + GRACE_SECONDS
        if _meanwhile is not None:
            with suppress(OSError):
                os.write(_messages, f"workbench: {first}: {_meanwhile}; once more ends it at once\n".encode())


def _end_at_once(by: Ended) -> NoReturn:
    guard.end_all()
    with suppress(OSError):
        cursor = "\x1b[?25h" if os.isatty(_messages) else ""  # a progress bar may have hidden it
        os.write(_messages, f"{cursor}workbench: {by}\n".encode())
    os._exit(by.code)
