"""What decides nothing but how fast a kernel is: no mutants of it are planted, for no result could tell them."""

from __future__ import annotations

import ast

SPEED_ALONE: dict[str, tuple[tuple[str, ...], str]] = {}
"""By function: the variables that hold only such a choice ("*": all that it does), and why."""


def is_speed_alone(function: str, statement: ast.stmt) -> bool:
    """Return whether a statement of a function only sets such variables."""
    return False
