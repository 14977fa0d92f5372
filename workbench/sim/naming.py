"""What the result of the call that is being lowered is called in the source, for the arrays that it may make."""

from __future__ import annotations

import re

results: list[str] = []

narrow: set[str] = set()
"""What of the function that is being compiled looks at memory as at smaller elements; emptied before a kernel."""


def name_of(variable: str) -> str:
    """Give a variable's name as the source has it; nothing for one that Numba made."""
    return "" if variable.startswith("$") else re.sub(r"(\.\d+)+$", "", variable)
