"""The workbench's own errors: one line for the user, and the corresponding exit code."""

import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

_NO_REASON = ("Failed in", "[", "- Resolution", "During:", "There are", "File ", "<source")
"""The beginnings of lines in Numba's messages that do not describe the error."""

AGAINST, INTERRUPTED = 1, 130
"""Exit codes of the command line: a verdict against, Ctrl-C."""


class InputError(Exception):
    """Bad input from outside: an argument, a file, a folder.

    The message is one line that says what is wrong, where, and what to do. The command line prints it on standard
    error and exits with 2.
    """


class VerdictAgainst(Exception):  # noqa: N818 - a result, not an error of the program
    """A negative result: the command did its work and the answer is no.

    The message is one line; the command line prints it on standard error and exits with 1.
    """


def is_kernels_error(error: BaseException) -> bool:
    """Return whether an error is one of ``kernels`` for the user: one line, with the remedy.

    Their module is not imported for this: ``import kernels`` itself may have raised the error.
    """
    errors = sys.modules.get("kernels.declare.errors")
    return errors is not None and isinstance(error, errors.KernelsError)


def nearest(kind: str, name: str, known: Sequence[str]) -> InputError:
    """Return the error for a name that is not ``known``, with the closest known name."""
    near = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"must be one of {', '.join(known)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")


def shortened(text: str, most: int = 80) -> str:
    """Return a text from outside for an error message: cut off if it is longer than ``most`` characters."""
    return text if len(text) <= most else f"{text[:most]}..."


def first_line(error: BaseException, default: str | None = None) -> str:
    """Return the first line of an error's message; if there is none, ``default`` or else the name of its type."""
    lines = message_lines(error)
    return lines[0] if lines else type(error).__name__ if default is None else default


def raised(error: BaseException) -> str:
    """Return a line on an exception: its type and the first line of its message."""
    return f"raises {type(error).__name__}: {first_line(error, '')}"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that the machine, or its GPU, has too little memory."""
    return isinstance(error, MemoryError) or "CUDA_ERROR_OUT_OF_MEMORY" in str(error)


def numba_reason(error: BaseException) -> str:
    """Return what describes the error in Numba's long message: a line, and the call if it is one that Numba lacks."""
    lines = message_lines(error)
    at = next((at for at, line in enumerate(lines) if not line.startswith(_NO_REASON)), None)
    if at is None:
        return first_line(error)
    call = lines[at + 1].removeprefix(">>> ") if lines[at].endswith("found for signature:") and lines[at + 1 :] else ""
    return f"Numba has no {call}" if call else lines[at]


def numba_place(error: BaseException, but: str = "") -> str:
    """Return " (file.py:line)" for the first place named in Numba's message, except files with ``but`` in their path."""
    text = str(error)
    places = re.findall(r'File "([^"]+)", line (\d+)', text) + re.findall(r"at (\S+) \((\d+)\)", text)
    return next((f" ({Path(file).name}:{line})" for file, line in places if not but or but not in file), "")


def message_lines(error: BaseException) -> list[str]:
    """Return the lines of an error's message without the space around them, empty ones left out."""
    return [line.strip() for line in str(error).splitlines() if line.strip()]
