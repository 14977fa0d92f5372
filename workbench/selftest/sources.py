"""The source of the built-in kernels as syntax trees: what is in a module, and which implementations use it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import kernels
from kernels import OPS
from workbench.selftest.nodes import base, head

_PACKAGE = Path(kernels.__file__).parent
_DEVICES = ("cpu", "cuda")
_SHARED = ("compile.indexing", "ops.pool2d.scalars")
"""Scalar rules that kernels import; loaded afresh beside every mutant, as they may hold the fault."""
MODULES = (
    *(f"ops.{folder}.{device}" for folder in ("relu", "softmax") for device in _DEVICES),
    "ops.dense.cpu.panels",
    "ops.dense.cpu.gradients",
    "ops.dense.cuda",
    "ops.conv2d.cpu.lanes",
    "ops.conv2d.cuda",
    "ops.pool2d.cpu.direct",
    "ops.pool2d.cuda",
    *_SHARED,
)


def implementation_modules() -> dict[tuple[str, str], str]:
    """Return the module of every implementation (op, device)."""
    return {
        (op, device): module
        for op in OPS
        for device in _DEVICES
        for module in MODULES
        if f"{op}_{device}" in functions_of(module)
    }


@cache
def users_by_function() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Give, for every function, the implementations (op, device) that reach it."""
    users: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (op, device), module in implementation_modules().items():
        for reached in _reached(module, f"{op}_{device}"):
            users.setdefault(reached, []).append((op, device))
    return users


def _reached(module: str, name: str) -> set[tuple[str, str]]:
    """Return the functions (module, name) that a function uses, itself among them."""
    visible = dict.fromkeys(functions_of(module), module)
    made: dict[str, ast.expr] = {}  # by other functions, for this one to call
    for statement in tree_of(module).body:
        shared = shared_import(statement)
        if shared:
            visible |= dict.fromkeys(functions_of(shared), shared)
        elif isinstance(statement, ast.Assign):
            made |= _assigned(statement)
    reached = {(module, name)}
    todo: list[ast.AST] = [functions_of(module)[name]]
    while todo:
        for node in ast.walk(todo.pop()):
            if not isinstance(node, ast.Name) or node.id == name:
                continue
            if node.id in visible:
                reached |= _reached(visible[node.id], node.id)
            elif node.id in made:
                todo.append(made[node.id])
    return reached


def _assigned(statement: ast.Assign) -> dict[str, ast.expr]:
    """Return the names that an assignment sets, with their values."""
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return {name.id: each for name, each in zip(target.elts, value.elts, strict=True) if isinstance(name, ast.Name)}
    return {target.id: value} if isinstance(target, ast.Name) else {}


@cache
def tree_of(module: str) -> ast.Module:
    """Return the syntax tree of a module, named within the package kernels."""
    return ast.parse((_PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))


def functions_of(module: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module by name."""
    return {statement.name: statement for statement in tree_of(module).body if isinstance(statement, ast.FunctionDef)}


def shared_import(statement: ast.stmt) -> str:
    """Return the shared module that a statement imports from, if any."""
    name = (statement.module or "").removeprefix("kernels.") if isinstance(statement, ast.ImportFrom) else ""
    return name if name in _SHARED else ""


def statements(body: list[ast.stmt], within: str = "") -> Iterator[tuple[ast.stmt, str]]:
    """Return all statements, each with the heads of the conditions around it and its own."""
    for statement in body:
        heads = f"{within}{head(statement)}\n"
        yield statement, heads
        for inner in (getattr(statement, "body", []), getattr(statement, "orelse", [])):
            yield from statements(inner, heads if isinstance(statement, ast.If) else within)


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Return a statement and its expressions, but not the statements inside it."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from own_nodes(child)


def outputs_in(function: ast.FunctionDef) -> frozenset[str]:
    """Return the names that hold outputs of the operation, or parts of them."""
    declared = {name for op in OPS.values() for name in op.outputs} | {"target"}
    names = {argument.arg for argument in function.args.args if argument.arg in declared}
    for statement, _ in statements(function.body):
        if isinstance(statement, ast.Assign) and base(statement.value) in names:
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return frozenset(names)
