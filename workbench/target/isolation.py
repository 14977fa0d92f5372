"""What is taken from a process before it imports a user's file, and what is noted of what the file does there.

A kernel is judged in another process, by what it leaves in its arrays. The references of the built-in operations are not
available to it: a kernel that returned their results would only be compared with itself.
"""

import os
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from kernels import ops
from kernels.compile.disk_cache import KERNELS, cache_folder

_MESSAGE = "the reference of a built-in operation is not available to a kernel that is checked"

_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
"""Audit events of a process that starts another one, see the Python Library Reference, "Audit events table"."""


def take_references_away() -> None:
    """Make the references of the built-in operations unusable in this process, whichever way they are reached."""
    cache_folder()  # its name is made of all sources, and remembered
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{ops.__name__}.") and name.endswith(".reference"):
            for value in list(vars(module).values()):
                if isinstance(value, FunctionType) and value.__module__ == name:
                    value.__code__ = _unavailable.__code__
    sys.addaudithook(_refuse_sources)


def _unavailable(*_arguments: Any, **_options: Any) -> None:
    raise PermissionError("the reference of a built-in operation is not available to a kernel that is checked")


def _hook() -> Callable[[str, tuple[Any, ...]], None]:
    """Return the audit hook; it holds what it uses, whatever the file replaces."""
    folder, text, resolved = f"{KERNELS}{os.sep}ops{os.sep}", os.fsdecode, os.path.realpath
    part, message = f"{os.sep}reference.", _MESSAGE

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or type(arguments[0]) not in (str, bytes) or part not in text(arguments[0]):
            return
        if resolved(text(arguments[0])).startswith(folder):
            raise PermissionError(message)

    return refuse


_refuse_sources = _hook()


class Acts:
    """What is done in this process that the judge tells the user: built-in kernels loaded, processes started."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}
        sys.addaudithook(self._note)

    def take(self) -> list[str]:
        """Return what was done since the last call."""
        seen = list(self._seen)
        self._seen.clear()
        return seen

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import" and str(arguments[0]).startswith(f"{ops.__name__}.") and arguments[0] not in sys.modules:
            self._seen[f"loads the built-in kernels of {arguments[0]}"] = None
        elif event in _STARTS:
            self._seen["starts processes"] = None
