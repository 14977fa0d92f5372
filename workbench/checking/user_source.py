"""The user's source while it runs in plain Python: the current place, and what the code there does."""

import dis
import sys
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

from workbench.system.python_code import library_folders

Site = tuple[CodeType, int]
"""A place in the source: a code object and the offset of an instruction, which are cheaper to find than the line."""

_WATCHING = ("parallel_loops.py", "reporting_source.py", "user_source.py", "watched_arrays.py", "watching.py")
INSIDE = (*(str(Path(__file__).with_name(name)) for name in _WATCHING), *library_folders())
"""Files that are not the user's: the modules that watch accesses, and those of libraries."""


def user_frame() -> FrameType:
    """Return the innermost frame of user code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame = frame.f_back
    assert frame is not None
    return frame


def variable_updated(code: CodeType, instruction: int) -> str | None:
    """Return the local variable that an in-place operation is assigned to."""
    for own, following in pairwise(dis.get_instructions(code)):
        if own.offset == instruction:
            if own.argrepr.endswith("=") and following.opname.startswith(("STORE_FAST", "STORE_DEREF")):
                return str(following.argval[0] if isinstance(following.argval, tuple) else following.argval)
            return None
    return None


def line_of(site: Site) -> int:
    """Return the line of a place."""
    code, instruction = site
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno
