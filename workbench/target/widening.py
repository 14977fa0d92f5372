"""Where a kernel makes arrays of float64 that it did not ask for."""

import ast
import inspect
import textwrap
from typing import Any

import numpy as np

_MAKERS = {"zeros": 2, "ones": 2, "empty": 2, "eye": 4, "identity": 2, "linspace": 6}
"""NumPy's functions that make float64 unless told otherwise; the number of positional arguments with the dtype."""


def widening(function: Any, dtype: np.dtype[Any]) -> str:
    """Return the remedy for a result in float64 instead of ``dtype``, with the line that is likely to be the cause.

    Parameters
    ----------
    function : the Python function of the kernel; None if there is none
    dtype : the dtype of its inputs
    """
    literal = f"a literal such as 0 or 0.5 widens it: write {dtype}(0)"
    try:
        lines, start = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return literal
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, owner = node.func.attr, node.func.value
        is_numpy = isinstance(owner, ast.Name) and function.__globals__.get(owner.id) is np
        told = any(keyword.arg == "dtype" for keyword in node.keywords) or len(node.args) >= _MAKERS.get(name, 0)
        if is_numpy and not told:
            return f"np.{name} (line {start + node.lineno - 1}) makes float64 unless it is told: give it a dtype"
    return literal
