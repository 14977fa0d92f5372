"""The loops of the source, to compare with those of the machine code."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class SourceLoop:
    """A source loop.

    Attributes
    ----------
    head : the line that it begins on
    first, last : the lines of its body
    depth : its nesting depth, 1 for an outermost loop
    height : the levels of loops from it inwards, 1 for an innermost loop
    """

    head: int
    first: int
    last: int
    depth: int
    height: int

    @property
    def innermost(self) -> bool:
        """Whether it contains no loop."""
        return self.height == 1


def is_head(file: str, line: int) -> bool:
    """Return whether a loop begins on a line."""
    return any(loop.head == line for loop in source_loops(file))


def deepest_loop(places: Iterable[tuple[str, int]]) -> SourceLoop | None:
    """Return the most deeply nested loop that contains one of the places; None where no loop does."""
    found = [loop for file, line in places for loop in source_loops(file) if loop.first <= line <= loop.last]
    return max(found, key=lambda loop: loop.depth, default=None)


def levels_around(chain: Iterable[tuple[str, int]]) -> int | None:
    """Return the levels of loops from the one that a place is in inwards; None where no loop of the source is known.

    Parameters
    ----------
    chain : the place, followed by the places that its functions are called from
    """
    inside = 0
    for file, line in chain:
        loop = deepest_loop([(file, line)])
        if loop is not None:
            return max(loop.height, 1 + inside)
        inside = max(inside, _height_of_function(file, line))
    return None


@cache
def source_loops(file: str) -> tuple[SourceLoop, ...]:
    """Return the loops of a file; none where it cannot be read. The first line of a ``for`` runs before the loop."""
    tree = _tree(file)
    found: list[SourceLoop] = []
    if tree is not None:
        _collect(tree, 0, found)
    return tuple(found)


@cache
def _tree(file: str) -> ast.Module | None:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _height_of_function(file: str, line: int) -> int:
    """Return the levels of loops in the function that a line belongs to."""
    around = [
        node
        for node in ast.walk(_tree(file) or ast.Module([], []))
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    if not around:
        return 0
    return _collect(max(around, key=lambda node: node.lineno), 0, [])


def _collect(node: ast.AST, depth: int, found: list[SourceLoop]) -> int:
    """Add the loops below a node to ``found``; return how many levels they have."""
    levels = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.For | ast.While):
            inside = 1 + _collect(child, depth + 1, found)
            first = child.test.lineno if isinstance(child, ast.While) else child.body[0].lineno
            last = child.body[-1].end_lineno or child.body[-1].lineno
            found.append(SourceLoop(head=child.lineno, first=first, last=last, depth=depth + 1, height=inside))
        else:
            inside = _collect(child, depth, found)
        levels = max(levels, inside)
    return levels
