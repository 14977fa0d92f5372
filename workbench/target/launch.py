"""How a bare CUDA kernel is launched: the grid and the block, from code or from the command line."""

import ast
import builtins
from collections.abc import Callable

from workbench.system.errors import InputError

Extent = int | tuple[int, ...] | Callable[..., int | tuple[int, ...]]
"""Blocks of a grid or threads of a block: numbers, or a function that returns them from arrays and options by name."""


def parse_extent(option: str, text: str) -> Extent:
    """Return the extent that a text describes: ``128``, ``16,16``, or an expression such as ``-(-y.size // 128)``.

    Raises
    ------
    InputError
        It is none of these.
    """
    parts = [part.strip() for part in text.split(",")]
    if all(part.isdecimal() for part in parts):
        return int(parts[0]) if len(parts) == 1 else tuple(int(part) for part in parts)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        raise InputError(
            f"{option}: {text!r} is neither numbers nor an expression; write 128, 16,16 or -(-y.size // 128)"
        ) from None
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - set(vars(builtins))
    extent: Extent = eval(f"lambda {', '.join(sorted(names))}: {text.strip()}", {})
    return extent
