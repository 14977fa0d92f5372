"""Faults planted mechanically in the source of the built-in kernels: what a checker must find.

The modules of the kernels are parsed; operators of mutation propose changes of single nodes of the syntax tree, each a
slip that people make in kernels. A spoiled module is executed in a namespace of its own, as plain Python (CUDA kernels:
in the simulator), with the index arithmetic that it imports loaded likewise, so that a fault can sit in either.

Source: R. DeMillo, R. Lipton, F. Sayward, Hints on Test Data Selection: Help for the Practicing Programmer (1978), for
mutation as the measure of a test.
"""

from __future__ import annotations

import ast
import copy
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from kernels import OPS
from workbench.selftest.nodes import head
from workbench.selftest.operators import OPERATORS, Edit, Scope
from workbench.selftest.sources import (
    MODULES,
    functions_of,
    implementation_modules,
    outputs_in,
    own_nodes,
    shared_import,
    statements,
    tree_of,
    users_by_function,
)

_COMPILERS = ("cpu_kernel", "cpu_inline", "cpu_core", "scalar")
"""Decorators that are stripped, so that the bodies run as Python."""

_MOST = {
    "loop-bound": 1,
    "loop-tail": 1,
    "axes": 2,
    "sides": 1,
    "arithmetic": 1,
    "division": 1,
    "accumulation": 1,
    "dirty-output": 1,
    "dropped": 1,
    "unpadded": 1,
    "extreme": 4,
}
"""Of operators that fit everywhere, the most mutants in one function: more would cost time and show little else."""
_SHOWN_ONLY_BY = (
    ("replaces", "", ("max_pool2d_backward",)),  # for the maximum itself it does not matter which of equals it is
    ("averaged_taps", "", ("avg_pool2d", "avg_pool2d_backward")),
    ("valid_range", "", tuple(op for op in OPS if op != "sum_pool2d_backward")),  # which calls it only for averages
    ("_add_exponentials", "if keep", ("softmax", "cross_entropy_backward")),
    ("_sum", "if average", ("avg_pool2d",)),
    ("_sum_backward", "if average", ("avg_pool2d_backward",)),
)
"""(function, part of the statement or of a condition around it, the operations on which a fault there has an effect)"""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted fault.

    Attributes
    ----------
    name : where and what, without line numbers, so that edits elsewhere leave it as it is
    op, device : the implementation that is spoiled; of those that share the spoiled function, one
    operator : the kind of change, a key of ``OPERATORS``
    where : file and line
    before, after : the statement (of a compound one the head) before and after the change
    """

    name: str
    op: str
    device: str
    operator: str
    where: str
    before: str
    after: str


@dataclass(frozen=True)
class _Site:
    """One edit in its surroundings; ``within`` holds the heads of the conditions around its statement, and its own."""

    module: str
    function: ast.FunctionDef
    statement: ast.stmt
    within: str
    operator: str
    edit: Edit


def mutants() -> tuple[Mutant, ...]:
    """Return all mutants, in the order of the source; no kernel is imported or run."""
    return tuple(_all())


def build(mutant: Mutant) -> Callable[..., None]:
    """Return the spoiled implementation, in the calling convention ``fn(*inputs, *options, *outputs)``.

    For "cpu" it is plain Python, for "cuda" it launches kernels for the simulator: the process must have been started with
    NUMBA_ENABLE_CUDASIM=1.

    Raises
    ------
    KeyError
        There is no such mutant (any more).
    """
    site = _all()[mutant]
    return load(mutant.op, mutant.device, site.module, site.edit)


def load(op: str, device: str, edited: str = "", edit: Edit | None = None) -> Callable[..., None]:
    """Load an implementation as plain Python (CUDA: for the simulator), with an edit of the module ``edited`` if any."""
    compiler = _as_it_is if device == "cpu" else _compiled
    module = implementation_modules()[op, device]
    function: Callable[..., None] = _execute(module, edited, edit, compiler)[f"{op}_{device}"]
    return function


def _as_it_is(function: Any) -> Any:
    return function


def _compiled(function: Any) -> Any:
    import numba

    return numba.njit(function)


def _execute(module: str, edited: str, edit: Edit | None, compiler: Callable[[Any], Any]) -> dict[str, Any]:
    """Execute a module in a namespace of its own, and the shared scalars that it imports in theirs, compiled for kernels."""
    namespace: dict[str, Any] = {"__name__": f"mutated.{module}"}
    changes = {id(edit[0]): copy.deepcopy(edit[1])} if edit is not None and module == edited else {}
    tree = copy.deepcopy(tree_of(module), changes)
    body = []
    for statement in tree.body:
        shared = shared_import(statement)
        if shared:
            scalars = _execute(shared, edited, edit, compiler)
            namespace |= {name: compiler(scalars[name]) for name in functions_of(shared)}
            continue
        for function in ast.walk(statement):  # those that functions make are compiled, too
            if isinstance(function, ast.FunctionDef):
                function.decorator_list = [
                    decorator
                    for decorator in function.decorator_list
                    if ast.unparse(decorator).partition("(")[0] not in _COMPILERS
                ]
        body.append(statement)
    tree.body = body
    exec(compile(ast.fix_missing_locations(tree), f"<mutated {module}>", "exec"), namespace)
    return namespace


@cache
def _all() -> dict[Mutant, _Site]:
    return {
        _mutant(site, name): site
        for module in MODULES
        for function in functions_of(module).values()
        for name, site in _sample(_named(_sites(module, function))).items()
    }


def _named(sites: Iterator[_Site]) -> dict[str, _Site]:
    """Name the sites of one function, each change once; what would have the same name is numbered."""
    named: dict[str, _Site] = {}
    names: Counter[str] = Counter()
    seen: set[tuple[ast.stmt, str]] = set()
    for site in sites:
        change = site.statement, head(_changed(site.statement, site.edit))
        if change in seen:
            continue  # another operator makes the same change
        seen.add(change)
        before, after = (head(node) for node in site.edit)
        name = f"{site.module.removeprefix('ops.')}.{site.function.name} {site.operator}: {before} -> {after}"
        names[name] += 1
        named[name if names[name] == 1 else f"{name} #{names[name]}"] = site
    return named


def _sample(sites: dict[str, _Site]) -> dict[str, _Site]:
    """Keep, of the operators that fit everywhere, those changes of a function whose names hash lowest."""
    kept: set[str] = set(sites)
    for operator, most in _MOST.items():
        mine = sorted((name for name in sites if sites[name].operator == operator), key=_hash)
        kept -= set(mine[most:])
    return {name: site for name, site in sites.items() if name in kept}


def _sites(module: str, function: ast.FunctionDef) -> Iterator[_Site]:
    scope = Scope(function, outputs_in(function))
    for statement, within in statements(function.body):
        for node in own_nodes(statement):
            for name, operator in OPERATORS.items():
                for edit in operator(node, scope):
                    yield _Site(module, function, statement, within, name, edit)


def _mutant(site: _Site, name: str) -> Mutant:
    op, device = _victim(site, name)
    return Mutant(
        name=name,
        op=op,
        device=device,
        operator=site.operator,
        where=f"kernels/{site.module.replace('.', '/')}.py:{site.statement.lineno}",
        before=head(site.statement),
        after=head(_changed(site.statement, site.edit)),
    )


def _victim(site: _Site, name: str) -> tuple[str, str]:
    """Choose the implementation that a mutant spoils: of those that could show it, one by the hash of its name."""
    users = users_by_function()[site.module, site.function.name]
    for function, fragment, ops in _SHOWN_ONLY_BY:
        if site.function.name == function and fragment in site.within:
            users = [user for user in users if user[0] in ops]
    return users[_hash(name) % len(users)]


def _hash(name: str) -> int:
    return zlib.crc32(name.encode())


def _changed(node: ast.AST, edit: Edit) -> ast.AST:
    if isinstance(node, ast.For | ast.If):
        node = copy.copy(node)
        node.body, node.orelse = [ast.Pass()], []
    return copy.deepcopy(node, {id(edit[0]): edit[1]})
