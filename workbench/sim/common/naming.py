"""The call being lowered: its function and the name of its result, for the arrays that it may make."""

import re
from collections.abc import Callable, Iterator
from typing import Any

lowered: list[tuple[Callable[..., Any], str]] = []
_inlined: set[str] = set()


def note_inlined(unique_name: str) -> None:
    """Register a function that is inlined: Numba puts its unique name before the names of its variables."""
    _inlined.add(re.sub(r"[.<>]", "_", unique_name).replace("$", "_v"))


def name_of(variable: str) -> str:
    """Return a variable's name in the source; "" for one that Numba made."""
    name, was_inlined = variable, False
    while (end := next(_ends_of_prefixes(name), 0)) > 0:
        name, was_inlined = name[end + 1 :], True
    made_by_numba = name.startswith("_v") if was_inlined else name.startswith("$")
    return "" if made_by_numba else re.sub(r"(\.\d+)+$", "", name)


def _ends_of_prefixes(name: str) -> Iterator[int]:
    """Yield where the unique name of an inlined function ends, at the start of a variable's name."""
    return (found.end() for found in re.finditer(r"_v\d+(?=_)", name) if name[: found.end()] in _inlined)
