"""Predicates on nodes of a syntax tree, and functions that build nodes, for the mutation operators."""

import ast
import copy
from typing import Any, TypeGuard


def is_call(node: ast.AST, *names: str) -> TypeGuard[ast.Call]:
    """Return whether a node calls a function with one of these names."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def is_end(node: ast.AST) -> TypeGuard[ast.Subscript]:
    """Return whether a node reads element 0 or 1 of a sequence."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.slice, ast.Constant)
        and node.slice.value in (0, 1)
    )


def other_end(node: Any) -> ast.Subscript:
    """Return a node that reads element 0 instead of 1, or 1 instead of 0."""
    return ast.Subscript(node.value, ast.Constant(1 - node.slice.value), ast.Load())


def is_one(node: ast.AST) -> bool:
    """Return whether a node is the constant 1."""
    return isinstance(node, ast.Constant) and node.value == 1


def of_constants(node: ast.AST) -> bool:
    """Return whether an expression uses constants only, such as numbers of registers, and so always has the same value."""
    return all(each.id.isupper() for each in ast.walk(node) if isinstance(each, ast.Name))


def sets_element(node: ast.AST) -> TypeGuard[ast.Assign]:
    """Return whether a node assigns to an element or a slice."""
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)


def inner_loops(loop: ast.For) -> bool:
    """Return whether a loop contains loops."""
    return any(isinstance(node, ast.For) for statement in loop.body for node in ast.walk(statement))


def base(node: ast.AST) -> str:
    """Return the name of the array that an expression indexes or reshapes; empty if there is none."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        else:
            return ""
    return node.id


def ceiling_terms(node: ast.AST) -> list[str]:
    """Return the terms of a in (a + d - 1) // d, in any order; none for any other expression."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)):
        return []
    terms, divisor = _terms(node.left, "+"), "+" + ast.unparse(node.right)
    if divisor not in terms or "-1" not in terms:
        return []
    return [term.removeprefix("+") for term in terms if term not in (divisor, "-1")]


def _terms(node: ast.AST, sign: str) -> list[str]:
    """Return the terms of a sum with their signs."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        right = sign if isinstance(node.op, ast.Add) else {"+": "-", "-": "+"}[sign]
        return [*_terms(node.left, sign), *_terms(node.right, right)]
    return [sign + ast.unparse(node)]


def binary(left: ast.expr, operation: ast.operator, right: ast.expr) -> ast.BinOp:
    """Return the node of a binary operation."""
    return ast.BinOp(left, operation, right)


def negated(test: ast.expr) -> ast.expr:
    """Return the opposite of a condition; a single comparison gets the opposite operator."""
    opposites = {
        ast.Lt: ast.GtE,
        ast.GtE: ast.Lt,
        ast.Gt: ast.LtE,
        ast.LtE: ast.Gt,
        ast.Eq: ast.NotEq,
        ast.NotEq: ast.Eq,
    }
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in opposites:
        return ast.Compare(test.left, [opposites[type(test.ops[0])]()], test.comparators)
    return ast.UnaryOp(ast.Not(), test)


def with_arguments(call: ast.Call, *arguments: ast.expr) -> ast.Call:
    """Return a call of the same function with other arguments."""
    return ast.Call(call.func, list(arguments), [])


def parsed(expression: str) -> ast.expr:
    """Parse an expression."""
    return ast.parse(expression, mode="eval").body


def head(node: ast.AST) -> str:
    """Return the source of a node as one line, of a compound statement its first line."""
    if isinstance(node, ast.For | ast.While | ast.If):
        node = copy.copy(node)
        node.body, node.orelse = [ast.Pass()], []
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]
