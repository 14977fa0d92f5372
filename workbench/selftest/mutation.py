"""Faults planted mechanically in the source of the built-in kernels: what a checker must find.

The modules of the kernels are parsed; operators of mutation propose changes of single nodes of the syntax tree, each a
slip that people make in kernels. A spoiled module is executed in a namespace of its own, as plain Python (CUDA kernels:
in Numba's simulator), with the index arithmetic that it imports loaded likewise, so that a fault can sit in either.

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
from pathlib import Path
from typing import Any, TypeGuard, cast

import kernels
from kernels import OPS

_PACKAGE = Path(kernels.__file__).parent
_DEVICES = ("cpu", "cuda")
_SHARED = ("indexing", "ops.pool2d.scalars")
"""Scalar rules that kernels import; loaded afresh beside every mutant, as they may hold the fault."""
_MODULES = (
    *(f"ops.{folder}.{device}" for folder in ("conv2d", "relu", "pool2d", "dense", "softmax") for device in _DEVICES),
    *_SHARED,
)
_COMPILERS = ("cpu_kernel", "cpu_inline", "scalar")
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
class _Scope:
    """What an operator may need to know around a node: the function, and the names in it that hold outputs."""

    function: ast.FunctionDef
    outputs: frozenset[str]


_Edit = tuple[ast.AST, ast.AST]
"""A node and what takes its place."""
_Operator = Callable[[ast.AST, _Scope], Iterator[_Edit]]


@dataclass(frozen=True)
class _Site:
    """One edit in its surroundings; ``within`` holds the heads of the conditions around its statement, and its own."""

    module: str
    function: ast.FunctionDef
    statement: ast.stmt
    within: str
    operator: str
    edit: _Edit


# Operators of mutation: from a node to its edits.


def _loop_bound(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Start a loop one later, end it one earlier or later."""
    if _is_call(node, "range", "prange"):
        start, stop, *step = node.args if len(node.args) > 1 else (ast.Constant(0), *node.args)
        later = _parse("1") if len(node.args) == 1 else _parse(f"{ast.unparse(start)} + 1")
        yield node, _with_arguments(node, later, stop, *step)
        for sign in (ast.Sub(), ast.Add()):
            moved = _with_arguments(node, start, _binary(stop, sign, ast.Constant(1)), *step)
            yield node, moved if len(node.args) > 1 else _with_arguments(node, moved.args[1])


def _loop_tail(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Leave out what remains behind the last full block of 8."""
    if not isinstance(node, ast.For) or _inner_loops(node):
        return
    loop = node.iter
    if _is_call(loop, "range", "prange") and len(loop.args) == 1:  # others walk through taps, by a grid, by whole runs
        stop = ast.unparse(loop.args[0])
        yield loop, _with_arguments(loop, _parse(f"{stop} if {stop} < 8 else {stop} // 8 * 8"))


_BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def _boundary(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Move the equal case to the other side of a comparison; equal for unequal."""
    if isinstance(node, ast.Compare):
        yield node, ast.Compare(node.left, [_BOUNDARIES[type(node.ops[0])]()], node.comparators)


_PAIRS = ("stride", "padding", "dilation", "kernel_size")
_TWINS = ("pad_h", "pad_w"), ("height", "width"), ("kernel_h", "kernel_w"), ("out_h", "out_w")


def _axes(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Take the width for the height or the other way round."""
    if _is_end(node) and isinstance(node.value, ast.Name) and node.value.id in _PAIRS:
        yield node, _other_end(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for twins in _TWINS:
            if node.id in twins:
                yield node, ast.Name(twins[1 - twins.index(node.id)], ast.Load())


def _sides(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Take the padding after for the padding before or the other way round."""
    if _is_end(node) and ast.unparse(node.value) in ("pad_h", "pad_w", "padding[0]", "padding[1]"):
        yield node, _other_end(node)


def _arithmetic(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Exchange + and -, take + for *."""
    if isinstance(node, ast.BinOp) and not _is_one(node.right):
        if isinstance(node.op, ast.Add):
            yield node, _binary(node.left, ast.Sub(), node.right)
        elif isinstance(node.op, ast.Sub | ast.Mult):
            yield node, _binary(node.left, ast.Add(), node.right)


def _division(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Exchange quotient and remainder."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv | ast.Mod) and not _ceiling_terms(node):
        yield node, _binary(node.left, ast.Mod() if isinstance(node.op, ast.FloorDiv) else ast.FloorDiv(), node.right)


def _rounding_up(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Round a quotient down that is rounded up."""
    terms = _ceiling_terms(node)
    if terms:
        assert isinstance(node, ast.BinOp)
        yield node, _binary(_parse(" + ".join(terms)), ast.FloorDiv(), node.right)


def _accumulation(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Keep the last term of a sum only."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield node, ast.Assign([node.target], node.value)


def _dirty_output(node: ast.AST, scope: _Scope) -> Iterator[_Edit]:
    """Add to what an output's memory happens to hold."""
    if _sets_element(node) and _base(node.targets[0]) in scope.outputs:
        target = cast(ast.Subscript, node.targets[0])
        yield node, ast.AugAssign(target, ast.Add(), node.value)


def _dropped(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Leave out a call, or the zeros that a sum starts from."""
    calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if calls or (_sets_element(node) and isinstance(node.value, ast.Constant)):
        yield node, ast.Pass()


def _bias(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Lose the bias."""
    if isinstance(node, ast.Subscript) and ast.unparse(node) in ("b[o]", "b[m]"):
        yield node, ast.Constant(0)
    if isinstance(node, ast.Assign) and ast.unparse(node.value) == "b":
        yield node.value, ast.Constant(0)


def _unpadded(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Take the whole range of taps or windows where only a part looks at real input."""
    if _is_call(node, "valid_range"):
        yield node, ast.Tuple([ast.Constant(0), node.args[2]], ast.Load())


def _lowest(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Take zero, or only a large number, for minus infinity."""
    if ast.unparse(node) in ("float('inf')", "math.inf"):
        yield node, ast.Constant(0)
        yield node, ast.Constant(1e30)


def _flipped(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Walk through a filter backwards along one axis: convolution for correlation."""
    if isinstance(node, ast.Subscript) and _base(node) in ("w", "dw") and isinstance(node.slice, ast.Tuple):
        for index in node.slice.elts:
            size = {"p": "kernel_h", "q": "kernel_w"}.get(ast.unparse(index))
            if size:
                yield index, _parse(f"{size} - 1 - {ast.unparse(index)}")


def _divisor(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Leave out a division."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield node, node.left
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
        yield node, ast.Pass()


def _extreme(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Take one argument of a maximum or minimum, whichever is larger."""
    if _is_call(node, "max", "min"):
        for argument in node.args:
            yield node, argument


def _condition(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Leave out a guard; negate any other condition."""
    if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Continue | ast.Return):
        yield node.test, ast.Constant(False)
    elif isinstance(node, ast.If | ast.IfExp):
        yield node.test, _negated(node.test)


def _clause(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Leave out one clause of a condition."""
    if isinstance(node, ast.BoolOp):
        for clause in node.values:
            rest = [value for value in node.values if value is not clause]
            yield node, ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0]


def _flag(node: ast.AST, _scope: _Scope) -> Iterator[_Edit]:
    """Give the other flag to a launched kernel."""
    if _is_call(node, "launch"):
        for argument in node.args:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, bool):
                yield argument, ast.Constant(not argument.value)


OPERATORS: dict[str, _Operator] = {
    "loop-bound": _loop_bound,
    "loop-tail": _loop_tail,
    "boundary": _boundary,
    "axes": _axes,
    "sides": _sides,
    "arithmetic": _arithmetic,
    "division": _division,
    "rounding-up": _rounding_up,
    "accumulation": _accumulation,
    "dirty-output": _dirty_output,
    "dropped": _dropped,
    "bias": _bias,
    "unpadded": _unpadded,
    "lowest": _lowest,
    "flipped": _flipped,
    "divisor": _divisor,
    "extreme": _extreme,
    "condition": _condition,
    "clause": _clause,
    "flag": _flag,
}


# Small questions about nodes, and small nodes.


def _is_call(node: ast.AST, *names: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _is_end(node: ast.AST) -> TypeGuard[ast.Subscript]:
    """Say whether a node reads element 0 or 1 of something."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.slice, ast.Constant)
        and node.slice.value in (0, 1)
    )


def _other_end(node: Any) -> ast.Subscript:
    return ast.Subscript(node.value, ast.Constant(1 - node.slice.value), ast.Load())


def _is_one(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def _sets_element(node: ast.AST) -> TypeGuard[ast.Assign]:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)


def _inner_loops(loop: ast.For) -> bool:
    return any(isinstance(node, ast.For) for statement in loop.body for node in ast.walk(statement))


def _base(node: ast.AST) -> str:
    """Give the name of the array that an expression indexes or reshapes."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        else:
            return ""
    return node.id


def _ceiling_terms(node: ast.AST) -> list[str]:
    """Give the terms of a in (a + d - 1) // d, in any order; none for any other expression."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)):
        return []
    terms, divisor = _terms(node.left, "+"), "+" + ast.unparse(node.right)
    if divisor not in terms or "-1" not in terms:
        return []
    return [term.removeprefix("+") for term in terms if term not in (divisor, "-1")]


def _terms(node: ast.AST, sign: str) -> list[str]:
    """Give the signed terms of a sum."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        right = sign if isinstance(node.op, ast.Add) else {"+": "-", "-": "+"}[sign]
        return [*_terms(node.left, sign), *_terms(node.right, right)]
    return [sign + ast.unparse(node)]


def _binary(left: ast.expr, operation: ast.operator, right: ast.expr) -> ast.BinOp:
    return ast.BinOp(left, operation, right)


def _negated(test: ast.expr) -> ast.expr:
    opposites = {
        ast.Lt: ast.GtE,
        ast.GtE: ast.Lt,
        ast.Gt: ast.LtE,
        ast.LtE: ast.Gt,
        ast.Eq: ast.NotEq,
        ast.NotEq: ast.Eq,
    }
    if isinstance(test, ast.Compare):
        return ast.Compare(test.left, [opposites[type(test.ops[0])]()], test.comparators)
    return ast.UnaryOp(ast.Not(), test)


def _with_arguments(call: ast.Call, *arguments: ast.expr) -> ast.Call:
    return ast.Call(call.func, list(arguments), [])


def _parse(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


# From sites to mutants.


def mutants() -> tuple[Mutant, ...]:
    """Give all mutants, in the order of the source; no kernel is imported or run."""
    return tuple(_all())


def build(mutant: Mutant) -> Callable[..., None]:
    """Give the spoiled implementation, in the calling convention ``fn(*inputs, *options, *outputs)``.

    For "cpu" it is plain Python, for "cuda" it launches kernels of Numba's simulator: the process must have been started
    with NUMBA_ENABLE_CUDASIM=1.

    Raises
    ------
    KeyError
        There is no such mutant (any more).
    """
    site = _all()[mutant]
    return load(mutant.op, mutant.device, site.module, site.edit)


def load(op: str, device: str, edited: str = "", edit: _Edit | None = None) -> Callable[..., None]:
    """Load an implementation as plain Python (CUDA: for the simulator), with an edit of the module ``edited`` if any."""
    function: Callable[..., None] = _execute(_implementations()[op, device], edited, edit)[f"{op}_{device}"]
    return function


def _execute(module: str, edited: str, edit: _Edit | None) -> dict[str, Any]:
    """Execute a module in a namespace of its own, and the shared scalars that it imports in theirs."""
    namespace: dict[str, Any] = {"__name__": f"mutated.{module}"}
    changes = {id(edit[0]): copy.deepcopy(edit[1])} if edit is not None and module == edited else {}
    tree = copy.deepcopy(_tree(module), changes)
    body = []
    for statement in tree.body:
        shared = _shared_import(statement)
        if shared:
            scalars = _execute(shared, edited, edit)
            namespace |= {name: scalars[name] for name in _functions(shared)}
            continue
        if isinstance(statement, ast.FunctionDef):
            statement.decorator_list = [
                decorator for decorator in statement.decorator_list if ast.unparse(decorator) not in _COMPILERS
            ]
        body.append(statement)
    tree.body = body
    exec(compile(ast.fix_missing_locations(tree), f"<mutated {module}>", "exec"), namespace)
    return namespace


@cache
def _all() -> dict[Mutant, _Site]:
    return {
        _mutant(site, name): site
        for module in _MODULES
        for function in _functions(module).values()
        for name, site in _sample(_named(_sites(module, function))).items()
    }


def _named(sites: Iterator[_Site]) -> dict[str, _Site]:
    """Name the sites of one function, each change once; what would have the same name is numbered."""
    named: dict[str, _Site] = {}
    names: Counter[str] = Counter()
    seen: set[tuple[ast.stmt, str]] = set()
    for site in sites:
        change = site.statement, _head(_changed(site.statement, site.edit))
        if change in seen:
            continue  # another operator makes the same change
        seen.add(change)
        before, after = (_head(node) for node in site.edit)
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
    scope = _Scope(function, _outputs_in(function))
    for statement, within in _statements(function.body):
        for node in _own_nodes(statement):
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
        before=_head(site.statement),
        after=_head(_changed(site.statement, site.edit)),
    )


def _victim(site: _Site, name: str) -> tuple[str, str]:
    """Choose the implementation that a mutant spoils: of those that could show it, one by the hash of its name."""
    users = _users()[site.module, site.function.name]
    for function, fragment, ops in _SHOWN_ONLY_BY:
        if site.function.name == function and fragment in site.within:
            users = [user for user in users if user[0] in ops]
    return users[_hash(name) % len(users)]


def _hash(name: str) -> int:
    return zlib.crc32(name.encode())


@cache
def _users() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Give, for every function, the implementations (op, device) that reach it."""
    users: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (op, device), module in _implementations().items():
        for reached in _reached(module, f"{op}_{device}"):
            users.setdefault(reached, []).append((op, device))
    return users


def _implementations() -> dict[tuple[str, str], str]:
    """Give the module of every implementation (op, device)."""
    return {
        (op, device): module
        for op in OPS
        for device in _DEVICES
        for module in _MODULES
        if f"{op}_{device}" in _functions(module)
    }


def _reached(module: str, name: str) -> set[tuple[str, str]]:
    """Give the functions (module, name) that a function uses, itself among them."""
    visible = dict.fromkeys(_functions(module), module)
    for statement in _tree(module).body:
        shared = _shared_import(statement)
        if shared:
            visible |= dict.fromkeys(_functions(shared), shared)
    reached = {(module, name)}
    for node in ast.walk(_functions(module)[name]):
        if isinstance(node, ast.Name) and node.id in visible and node.id != name:
            reached |= _reached(visible[node.id], node.id)
    return reached


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((_PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))


def _functions(module: str) -> dict[str, ast.FunctionDef]:
    return {statement.name: statement for statement in _tree(module).body if isinstance(statement, ast.FunctionDef)}


def _shared_import(statement: ast.stmt) -> str:
    """Give the shared module that a statement imports from, if any."""
    name = (statement.module or "").removeprefix("kernels.") if isinstance(statement, ast.ImportFrom) else ""
    return name if name in _SHARED else ""


def _statements(body: list[ast.stmt], within: str = "") -> Iterator[tuple[ast.stmt, str]]:
    """Give all statements, each with the heads of the conditions around it and its own."""
    for statement in body:
        heads = f"{within}{_head(statement)}\n"
        yield statement, heads
        for inner in (getattr(statement, "body", []), getattr(statement, "orelse", [])):
            yield from _statements(inner, heads if isinstance(statement, ast.If) else within)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Give a statement and its expressions, but not the statements inside it."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from _own_nodes(child)


def _outputs_in(function: ast.FunctionDef) -> frozenset[str]:
    """Give the names that hold outputs of the operation, or parts of them."""
    declared = {name for op in OPS.values() for name in op.outputs} | {"target"}
    names = {argument.arg for argument in function.args.args if argument.arg in declared}
    for statement, _ in _statements(function.body):
        if isinstance(statement, ast.Assign) and _base(statement.value) in names:
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return frozenset(names)


def _changed(node: ast.AST, edit: _Edit) -> ast.AST:
    if isinstance(node, ast.For | ast.If):
        node = copy.copy(node)
        node.body, node.orelse = [ast.Pass()], []
    return copy.deepcopy(node, {id(edit[0]): edit[1]})


def _head(node: ast.AST) -> str:
    """Give the source of a node in one line, of a compound statement its first line."""
    if isinstance(node, ast.For | ast.If):
        node = copy.copy(node)
        node.body, node.orelse = [ast.Pass()], []
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]
