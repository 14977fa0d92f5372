"""The way to the terminal: text from outside is printed so that nothing in it acts on the terminal.

Names of files, classes and kernels, messages of exceptions and the output of kernels come from strangers. They may contain
escape sequences, control characters, line breaks, marks that reverse the direction of writing, and surrogates.
"""

import sys
import unicodedata
import warnings
from types import TracebackType

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Format characters that spell words in some scripts and join emoji; all others are escaped."""

_format_warning = warnings.formatwarning


def visible(text: object) -> str:
    r"""Return a text in which every character is seen, and none acts; only line breaks and tabs are kept.

    Control and format characters, line and paragraph separators, surrogates and unassigned characters become escape
    sequences, as in ``\x1b``. Letters, marks and symbols of every script stay as they are.
    """
    return "\n".join(_escaped(line, "\t") for line in str(text).split("\n"))


def one_line(text: object) -> str:
    """Return a text as ``visible`` does, with line breaks and tabs escaped too."""
    return _escaped(str(text))


def _escaped(text: str, kept: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each in kept or _is_seen(each) else each.encode("unicode_escape").decode("ascii") for each in text
    )


def _is_seen(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def print_line(text: object = "", *, err: bool = False) -> None:
    """Print a text as exactly one line, to standard output or standard error."""
    _print(one_line(text), err)


def print_text(text: object, *, err: bool = False) -> None:
    """Print a text of several lines; text from outside that is part of a line must have passed through ``one_line``."""
    _print(visible(text), err)


def _print(text: str, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    if stream is not None:  # it is closed; print would take the other
        print(text, file=stream, flush=True)


def set_up_streams() -> None:
    """Prepare this process's standard output and standard error.

    A character that their encoding lacks is printed as its escape sequence, instead of an error that ends the command.
    Warnings and the tracebacks of errors nobody handled pass through ``visible``.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = _visible_warning
    sys.excepthook = _print_traceback


def _visible_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning as text: this project's own as one line, others as Python formats them."""
    if category.__module__.partition(".")[0] in ("kernels", "workbench"):
        return f"workbench: {one_line(message)}\n"
    return visible(_format_warning(message, category, filename, lineno, line))


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    import traceback  # not needed otherwise, and every command imports this module

    print_text("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"), err=True)
