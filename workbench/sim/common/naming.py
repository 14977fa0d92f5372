"""The call being lowered: its function and the name of its result, for the arrays that it may make."""

import re
from collections.abc import Callable
from typing import Any

lowered: list[tuple[Callable[..., Any], str]] = []


def name_of(variable: str) -> str:
    """Return a variable's name in the source; "" for one that Numba made."""
    return "" if variable.startswith("$") else re.sub(r"(\.\d+)+$", "", variable)
