"""The workbench's own errors: one line for the user, and the corresponding exit code."""

from collections.abc import Sequence
from difflib import get_close_matches

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


def nearest(kind: str, name: str, known: Sequence[str]) -> InputError:
    """Return the error for a name that is not ``known``, with the closest known name."""
    near = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"must be one of {', '.join(known)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")
