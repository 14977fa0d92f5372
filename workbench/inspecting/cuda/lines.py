"""Map machine code back to source lines."""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from workbench.inspecting.cuda.sass import Instruction, Location

NOWHERE: Location = ("", 0)


def location(instruction: Instruction) -> Location:
    """Return the source line of an instruction: the innermost line outside Numba, where a Numba function was inlined."""
    return next((place for place in instruction.stack if not _in_numba(place[0])), NOWHERE)


def is_users(instruction: Instruction) -> bool:
    """Return whether an instruction comes from the user's source itself, not from a Numba function that it calls."""
    return bool(instruction.stack) and not _in_numba(instruction.stack[0][0])


def most_frequent(instructions: Iterable[Instruction]) -> Location:
    """Return the source line that most of some instructions come from; the first on a tie, NOWHERE without instructions."""
    found = Counter(location(each) for each in instructions)
    return max(sorted(found), key=lambda place: found[place], default=NOWHERE)


def source_text(place: Location) -> str:
    """Return the text of a source line, without the space around it; "" where the file is gone."""
    return linecache.getline(*place).strip() if place[1] else ""


@cache
def _in_numba(file: str) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in _numba_folders())


@cache
def _numba_folders() -> tuple[Path, ...]:
    import numba
    from numba import cuda

    return tuple(Path(str(module.__file__)).parent for module in (numba, cuda))
