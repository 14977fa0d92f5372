"""The workbench's own errors: one line for the user, and the exit code that goes with it."""

from collections.abc import Sequence
from difflib import get_close_matches


class InputError(Exception):
    """Bad input from outside: an argument, a file, a folder.

    Its text is one line that says what is wrong, where, and the remedy. The command line prints it on standard
    error and exits with 2.
    """


class Verdict(Exception):  # noqa: N818 - not an error of the program but what it found
    """A verdict against: the command did its work and the answer is no.

    Its text is one line; the command line prints it on standard error and exits with 1.
    """


def nearest(kind: str, name: str, known: Sequence[str]) -> InputError:
    """Return the error for a name that is not ``known``, with the nearest one that is."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")
