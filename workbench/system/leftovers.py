"""Ending processes and removing files that are left over. ``guard`` runs this alone: it imports nothing of the project."""

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

MARK = "WORKBENCH_PROCESS"
"""The environment variable by which the descendants of a process are known, also those that have left its group: the marks
of all processes that they descend from, joined by slashes."""

_ROUNDS = 2
"""How often descendants are looked for: one may start another meanwhile."""


_MOST_GENERATIONS = 20
"""How often those below a process are looked for: each may have started another before it was killed."""


def kill(pid: int, mark: str) -> None:
    """Kill a process, its group and its descendants, also if they are suspended.

    Descendants are those below it, and those whose environment has the mark, if the process has ended before.
    """
    if sys.platform == "linux":
        _kill_below(pid)
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # macOS: a group whose processes have all ended
            os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):  # it may have no group yet
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    for _ in range(_ROUNDS if sys.platform == "linux" and mark else 0):
        for other in marked(mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(other, signal.SIGKILL)


def _kill_below(pid: int) -> None:
    """Kill the descendants of a process, which stays their parent meanwhile and starts no others."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGSTOP)
    for _ in range(_MOST_GENERATIONS):
        below = descendants(pid)
        for other in below:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(other, signal.SIGKILL)
        if not below:
            return


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have; none that have ended (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):  # it is no process, or has ended
            state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            if state not in (b"Z", b"X"):
                children.setdefault(int(parent), []).append(int(entry.name))
    found = list(children.get(pid, ()))
    for each in found:  # which grows
        found.extend(children.get(each, ()))
    return found


def marked(mark: str) -> list[int]:
    """Return the processes that were started with the mark in their environment (Linux)."""
    wanted, found = f"{MARK}={mark}/", []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # it is no process, has ended, or is another user's
            pid, variables = int(entry.name), (entry / "environ").read_bytes().split(b"\0")
            if any(f"{each.decode(errors='replace')}/".startswith(wanted) for each in variables):
                found.append(pid)
    return found


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def clean_up(lines: list[str]) -> None:
    """End and remove what lines say: a sign, + or -, then ``group PID MARK`` or ``path HEX``; the last on each counts."""
    left = {tuple(words): sign == "+" for sign, *words in map(str.split, lines)}
    for (kind, *words), is_left in left.items():
        if is_left and kind == "group":
            kill(int(words[0]), *words[1:])
        elif is_left:
            remove(Path(os.fsdecode(bytes.fromhex(words[0]))))


if __name__ == "__main__":
    for each in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, each), signal.SIG_IGN)
    clean_up(list(sys.stdin))
