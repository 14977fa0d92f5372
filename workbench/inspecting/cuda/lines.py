"""Map machine code back to source lines."""

import linecache
from collections import Counter
from collections.abc import Iterable

from workbench.inspecting.cuda.sass import Instruction, Location
from workbench.system.python_code import is_library_file

NOWHERE: Location = ("", 0)


def location(instruction: Instruction) -> Location:
    """Return the source line of an instruction: the user's innermost, where a function of Numba's own was inlined."""
    return next((place for place in instruction.stack if not is_library_file(place[0])), NOWHERE)


def is_users(instruction: Instruction) -> bool:
    """Return whether an instruction comes from the user's source, not from a function of Numba's own that it calls."""
    return bool(instruction.stack) and not is_library_file(instruction.stack[0][0])


def most_frequent(instructions: Iterable[Instruction]) -> Location:
    """Return the source line that most of some instructions come from; the first on a tie, NOWHERE without instructions."""
    found = Counter(location(each) for each in instructions)
    return max(sorted(found), key=lambda place: found[place], default=NOWHERE)


def source_text(place: Location) -> str:
    """Return the text of a source line, without the space around it; "" if the file does not exist any more."""
    return linecache.getline(*place).strip() if place[1] else ""
