"""What is being lowered: for the arrays that a call may make, in which function it stands and what its result is called."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

lowered: list[tuple[Callable[..., Any], str]] = []


def name_of(variable: str) -> str:
    """Return a variable's name as the source has it; nothing for one that Numba made."""
    return "" if variable.startswith("$") else re.sub(r"(\.\d+)+$", "", variable)
