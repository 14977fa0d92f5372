"""What is taken from a process before it imports a user's file, and what is noted of what the file does there.

A kernel is judged in another process, by what it leaves in its arrays. The references of the built-in operations are not
available to it: a kernel that returned their results would only be compared with itself.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

from kernels import ops
from kernels.compile.disk_cache import KERNELS, cache_folder
from kernels.compile.twins import TwinKernel

_PARENT = f"{KERNELS.parent}{os.sep}"
_OPS = f"{KERNELS}{os.sep}ops{os.sep}"
"""The folder of the operations: declarations, references and built-in kernels."""

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
    """Stand in for a reference: its code replaces theirs, whose names it cannot use."""
    raise PermissionError("the reference of a built-in operation is not available to a kernel that is checked")


def _hook() -> Callable[[str, tuple[Any, ...]], None]:
    """Return the audit hook; it holds what it uses, whatever the file replaces."""
    folder, text, resolved = _OPS, os.fsdecode, os.path.realpath
    part, message = f"{os.sep}reference.", _MESSAGE

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or type(arguments[0]) not in (str, bytes) or part not in text(arguments[0]):
            return
        if resolved(text(arguments[0])).startswith(folder):
            raise PermissionError(message)

    return refuse


_refuse_sources = _hook()


class Acts:
    """What is done in this process that the judge tells the user: built-in kernels called, processes started.

    Parameters
    ----------
    folder : the folder of the user's file: what libraries do without being called from there is not told; None: all is told
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = "" if folder is None else f"{folder}{os.sep}"
        self._seen: dict[str, None] = {}
        sys.addaudithook(self._note)
        call_kernel = TwinKernel.__call__

        def noted(kernel: TwinKernel, *arguments: Any, **keywords: Any) -> Any:
            if str(kernel.py_func.__module__).startswith(f"{ops.__name__}."):
                self._seen[f"calls the built-in {kernel.py_func.__name__}"] = None
            return call_kernel(kernel, *arguments, **keywords)

        replaced: Any = TwinKernel
        replaced.__call__ = noted
        replaced.settled = lambda kernel, _arguments: kernel  # no call goes past it

    def take(self) -> list[str]:
        """Return what was done since the last call."""
        seen = list(self._seen)
        self._seen.clear()
        return seen

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec":  # of a module's code, too
            file = str(getattr(arguments[0], "co_filename", ""))
            if file.startswith(_OPS) and "cuda" in file:
                self._seen[f"runs the built-in kernels of {file.removeprefix(_PARENT)}"] = None
        elif event in _STARTS and self._is_from_user():
            self._seen["starts processes"] = None

    def _is_from_user(self) -> bool:
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith(self._folder):
            frame = frame.f_back  # type: ignore[assignment]
        return frame is not None
