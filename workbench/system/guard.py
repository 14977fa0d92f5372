"""What must not outlive this process: processes that it started, and temporary files.

A process cannot clean up after itself when it is killed. So a small second process, the guard, is told what there is to end
and to remove. It waits at a pipe, which the system closes when this process ends, however that happens. It is started when
there is something to guard for the first time.
"""

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.system import leftovers

_groups: dict[int, str] = {}
_paths: set[Path] = set()
_lock = threading.RLock()
_guard: subprocess.Popen[bytes] | None = None


def new_mark() -> dict[str, str]:
    """Return an environment variable for a new process, by which its descendants are known."""
    inherited = os.environ.get(leftovers.MARK)
    own = os.urandom(8).hex()
    return {leftovers.MARK: f"{inherited}/{own}" if inherited else own}


def guard_group(pid: int, mark: dict[str, str]) -> None:
    """End a process with its group and its descendants when this process ends; it leads its group, or soon will."""
    _groups[pid] = mark[leftovers.MARK]
    _tell("+", f"group {pid} {_groups[pid]}")


def end_group(pid: int) -> None:
    """Kill a guarded process, its group and its descendants, also if they are suspended."""
    mark = _groups.get(pid, "")
    leftovers.kill(pid, mark)
    _groups.pop(pid, None)
    _tell("-", f"group {pid} {mark}")


@contextmanager
def guarded_path(path: Path) -> Iterator[Path]:
    """Remove a temporary file or folder at the end of the block, or when this process ends before."""
    path = path.absolute()
    name = f"path {os.fsencode(path).hex()}"
    _paths.add(path)
    _tell("+", name)
    try:
        yield path
    finally:
        leftovers.remove(path)
        _paths.discard(path)
        _tell("-", name)


def end_all() -> None:
    """End and remove everything that is guarded, before this process ends at once."""
    for pid in tuple(_groups):
        end_group(pid)
    for path in tuple(_paths):
        leftovers.remove(path)


def start_guard() -> None:
    """Start the guard if it does not run."""
    global _guard
    with _lock:
        if _guard is None and os.name == "posix":
            _guard = subprocess.Popen(
                [sys.executable, "-I", "-S", leftovers.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env={name: value for name, value in os.environ.items() if name != leftovers.MARK},
            )


def _tell(sign: str, what: str) -> None:
    start_guard()
    with _lock:
        if _guard is None:
            return
        assert _guard.stdin is not None
        with suppress(BrokenPipeError):  # someone has killed it
            os.write(_guard.stdin.fileno(), f"{sign} {what}\n".encode())


@atexit.register
def _leave_guard() -> None:
    """Let the guard do its work, without waiting for it."""
    global _guard
    if _guard is not None:
        assert _guard.stdin is not None
        _guard.stdin.close()
        _guard.returncode = 0  # or Python warns that it is running
    _guard = None


def _after_fork_in_child() -> None:
    """Leave the guard to the process that started it."""
    global _lock
    _leave_guard()
    _lock = threading.RLock()
    _groups.clear()
    _paths.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
