"""Advice on races that depends on the kernel's source: rounds of a loop, and locks."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache

from workbench.sim.common.sites import Site

_LOCKS = {"cas", "compare_and_swap", "exch"}
_BARRIERS = {"syncthreads", "syncthreads_count", "syncthreads_and", "syncthreads_or"}

_Loop = ast.For | ast.While


def of_rounds(first: Site, second: Site) -> str:
    """Return the advice for two lines of a loop between which a barrier stands: the race is with the next round; else ""."""
    if first.file != second.file or first.line == second.line:
        return ""
    early, late = sorted((first.line, second.line))
    loops = [
        each for each in _nodes(first.file) if isinstance(each, _Loop) and each.lineno <= early and late <= _end(each)
    ]
    if not loops:
        return ""
    loop = max(loops, key=lambda each: each.lineno)
    barriers = [each.lineno for each in _calls(loop, _BARRIERS) if early < each.lineno < late]
    if not barriers:
        return ""
    return (
        f"The barrier at line {barriers[0]} stands between the two lines; what is missing is one between a round of the "
        f"loop at line {loop.lineno} and the next. Put cuda.syncthreads() at the end of the loop, after line {_end(loop)}, "
        "where all threads of the block reach it."
    )


def of_lock(*sites: Site) -> str:
    """Return the advice for accesses between taking and releasing a lock, which a barrier does not mend; else ""."""
    for site in sites:
        function = _function_at(site)
        if function is None:
            continue
        taken = [
            each.lineno
            for each in ast.walk(function)
            if isinstance(each, ast.While) and each.lineno < site.line and any(_calls(each.test, _LOCKS))
        ]
        if not taken:
            continue
        released = [each.lineno for each in _calls(function, _LOCKS) if each.lineno > site.line]
        where = f" (line {min(released)})" if released else ""
        return (
            f"The lock that is taken at line {max(taken)} does not order memory by itself, and cuda.syncthreads() does not "
            f"mend that: call cuda.threadfence() before the lock is released{where} by an atomic operation, or use "
            "cuda.atomic for the element."
        )
    return ""


def _function_at(site: Site) -> ast.FunctionDef | None:
    """Return the innermost function around a place."""
    around = [
        each
        for each in _nodes(site.file)
        if isinstance(each, ast.FunctionDef) and each.lineno <= site.line <= _end(each)
    ]
    return max(around, key=lambda each: each.lineno, default=None)


def _calls(node: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    """Yield the calls of functions with these names."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            called = each.func.attr if isinstance(each.func, ast.Attribute) else getattr(each.func, "id", "")
            if called in names:
                yield each


def _nodes(file: str) -> tuple[ast.For | ast.While | ast.FunctionDef, ...]:
    """Return the loops and functions in a file; none if it cannot be read."""
    return _nodes_of("".join(linecache.getlines(file)))


@lru_cache(maxsize=16)
def _nodes_of(source: str) -> tuple[ast.For | ast.While | ast.FunctionDef, ...]:
    """Return the loops and functions in a source; kept, as every race asks, and a long file takes milliseconds."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    return tuple(each for each in ast.walk(tree) if isinstance(each, _Loop | ast.FunctionDef))


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
