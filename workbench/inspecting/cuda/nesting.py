"""The loops of the source, to compare with those of the machine code."""

import ast
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from workbench.inspecting.cuda.loops import Loop


@dataclass(frozen=True, kw_only=True)
class _SourceLoop:
    """A source loop: the lines of its body from ``first`` to ``last``, its nesting depth, and whether it contains a loop."""

    first: int
    last: int
    depth: int
    innermost: bool


def without_skipped(loops: tuple[Loop, ...]) -> tuple[Loop, ...]:
    """Mark a loop that omits its inner loops as not innermost.

    The compiler makes a second copy of a loop for the case that the inner loops have no iterations. That copy contains
    no loop, but its body is not the inner loop of the source.
    """
    return tuple(replace(loop, innermost=loop.innermost and not _skips(loop)) for loop in loops)


def _skips(loop: Loop) -> bool:
    """Return whether the deepest source loop that a loop's instructions come from contains another."""
    deepest: _SourceLoop | None = None
    for file, line in {place for each in loop.instructions for place in each.stack}:
        for candidate in _source_loops(file):
            inside = candidate.first <= line <= candidate.last
            if inside and (deepest is None or candidate.depth > deepest.depth):
                deepest = candidate
    return deepest is not None and not deepest.innermost


@cache
def _source_loops(file: str) -> tuple[_SourceLoop, ...]:
    """Return the loops of a file; none where it cannot be read. The first line of a ``for`` runs before the loop."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()
    found: list[_SourceLoop] = []
    _collect(tree, 0, found)
    return tuple(found)


def _collect(node: ast.AST, depth: int, found: list[_SourceLoop]) -> bool:
    """Add the loops below a node to ``found``; return whether there are any."""
    any_below = False
    for child in ast.iter_child_nodes(node):
        is_loop = isinstance(child, ast.For | ast.While)
        inside = _collect(child, depth + is_loop, found)
        if isinstance(child, ast.For | ast.While):
            first = child.test.lineno if isinstance(child, ast.While) else child.body[0].lineno
            last = child.body[-1].end_lineno or child.body[-1].lineno
            found.append(_SourceLoop(first=first, last=last, depth=depth + 1, innermost=not inside))
        any_below = any_below or is_loop or inside
    return any_below
