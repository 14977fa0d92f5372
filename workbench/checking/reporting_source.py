"""Rewriting the source of a kernel's body so that it reports what its ``prange`` loops do with their variables."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import numba
import numpy as np

from workbench.checking.watched_arrays import current_run

HOOKS = "__workbench_variables__"
"""The global name under which a rewritten function finds the functions to report to."""

_REDUCTIONS = {ast.Add: "+", ast.Sub: "+", ast.Mult: "*", ast.Div: "*"}
"""The operators of reductions in Numba; those of one kind can be mixed."""

_EXTREMES = ("max", "min")

_SCOPES = (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""What has variables of its own."""


class _Hooks:
    """The functions that a rewritten function calls; the run that watches it learns of each."""

    @staticmethod
    def read(name: str, line: int, value: Any) -> Any:
        """Report a read, and return the value."""
        if (run := current_run()) is not None:
            run.variable("read", name, line, sys._getframe(1))
        return value

    @staticmethod
    def assigned(name: str, line: int, value: Any = None) -> Any:
        """Report an assignment, and return the value."""
        if (run := current_run()) is not None:
            run.variable("assignment", name, line, sys._getframe(1))
        return value

    @staticmethod
    def reduced(name: str, operator: str, line: int) -> None:
        """Report a reduction."""
        if (run := current_run()) is not None:
            run.variable("reduction", name, line, sys._getframe(1), operator)

    @staticmethod
    def rebound(name: str, operator: str, line: int, value: Any) -> None:
        """Report ``name = name + ...``: a reduction of a number; of an array, Numba's threads keep it to themselves."""
        if (run := current_run()) is None:
            return
        if isinstance(value, np.ndarray) and value.ndim:
            run.variable("read", name, line, sys._getframe(1))
            run.variable("assignment", name, line, sys._getframe(1))
        else:
            run.variable("reduction", name, line, sys._getframe(1), operator)


def report_variables(function: FunctionType) -> None:
    """Rewrite a function in place, so that it reports what its parallel loops do with its variables.

    It stays as it is if its source is not found, or if there is nothing to report.

    Parameters
    ----------
    function : a copy of the user's function, on globals of its own
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef) or definition.name != function.__code__.co_name:
        return
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    scope = _Scope(function)
    names = scope.assigned_in_parallel(definition)
    if not names:
        return
    definition.decorator_list = []
    definition.body = _Rewriter(names, scope).statements(definition.body)
    code = _compiled(tree, definition, function.__code__)
    if code is not None:
        function.__code__ = code
        function.__globals__[HOOKS] = _Hooks


def _compiled(tree: ast.Module, definition: ast.FunctionDef, original: CodeType) -> CodeType | None:
    """Compile a function with the closure that it had; None if that changes."""
    if original.co_freevars:
        cells: list[ast.stmt] = [
            ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=ast.Constant(value=None))
            for name in original.co_freevars
        ]
        tree.body = [
            ast.FunctionDef(
                name="enclosing",
                args=ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]),
                body=[*cells, definition],
                decorator_list=[],
            )
        ]
    module = compile(ast.fix_missing_locations(tree), original.co_filename, "exec")
    for code in _codes(module):
        if code.co_name == original.co_name and code.co_freevars == original.co_freevars:
            return code
    return None


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


class _Scope:
    """What the names of a function mean."""

    def __init__(self, function: FunctionType) -> None:
        self.globals, self.enclosed = function.__globals__, function.__code__.co_freevars

    def assigned_in_parallel(self, definition: ast.FunctionDef) -> set[str]:
        """Return the variables that parallel loops of a function assign, apart from the loops' own."""
        loops = [node for node in ast.walk(definition) if isinstance(node, ast.For) and self.is_parallel(node.iter)]
        return {name for loop in loops for name in _assigned(loop.body) - _targets(loop.target)}

    def is_parallel(self, iterated: ast.expr) -> bool:
        """Return whether an expression is a call of Numba's prange."""
        return isinstance(iterated, ast.Call) and self.value(iterated.func) is numba.prange

    def is_builtin(self, name: str) -> bool:
        """Return whether a name means Python's function."""
        return name not in self.globals and name not in self.enclosed

    def value(self, expression: ast.expr) -> Any:
        """Return the value of a name, or of a module's attribute; None if there is none."""
        if isinstance(expression, ast.Name):
            return None if expression.id in self.enclosed else self.globals.get(expression.id)
        if isinstance(expression, ast.Attribute):
            return getattr(self.value(expression.value), expression.attr, None)
        return None


def _assigned(body: list[ast.stmt]) -> set[str]:
    """Return the variables that statements assign, those of inner functions and comprehensions excluded."""
    names: set[str] = set()
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if not isinstance(node, _SCOPES):
            pending += ast.iter_child_nodes(node)
    return names


def _targets(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


class _Rewriter(ast.NodeTransformer):
    """Rewrites a function's statements: reads are wrapped, assignments and reductions followed by a report."""

    def __init__(self, names: set[str], scope: _Scope) -> None:
        self.names, self.scope = names, scope

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Rewrite a list of statements."""
        rewritten: list[ast.stmt] = []
        for statement in body:
            rewritten += self.statement(statement)
        return rewritten

    def statement(self, statement: ast.stmt) -> list[ast.stmt]:
        """Rewrite one statement; return it and the reports before and after it."""
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            return [statement]
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            return self.in_place(statement, statement.target.id)
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and (operator := self.reduction(statement.value, target.id)):
                statement.value = self.around(statement.value, target.id)
                constants = (ast.Constant(value=each) for each in (target.id, operator, statement.lineno))
                value = ast.Name(id=target.id, ctx=ast.Load())
                return [statement, ast.Expr(value=_call("rebound", *constants, value))]
        if isinstance(statement, ast.For):
            statement.iter = self.visit(statement.iter)
            statement.body = [*self.writes(statement.target), *self.statements(statement.body)]
            statement.orelse = self.statements(statement.orelse)
            return [statement]
        if isinstance(statement, ast.If | ast.While):
            statement.test = self.visit(statement.test)
            statement.body = self.statements(statement.body)
            statement.orelse = self.statements(statement.orelse)
            return [statement]
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if statement.value is not None:
                statement.value = self.visit(statement.value)
            written = [report for target in targets for report in self.writes(target)]
            if isinstance(statement, ast.Assign):
                statement.targets = [self.visit(target) for target in targets]
            return [statement, *written]
        for part in ("body", "orelse", "finalbody"):  # with, try
            if isinstance(inner := getattr(statement, part, None), list):
                setattr(statement, part, self.statements(inner))
        if not hasattr(statement, "body"):
            self.generic_visit(statement)
        return [statement]

    def in_place(self, statement: ast.AugAssign, name: str) -> list[ast.stmt]:
        """Rewrite ``name += value``: a reduction, or a read and an assignment."""
        statement.value = self.visit(statement.value)
        operator = _REDUCTIONS.get(type(statement.op), "")
        if name not in self.names:
            return [statement]
        if operator:
            return [statement, self.report("reduced", name, operator, statement.lineno)]
        read = ast.Expr(value=self.read(ast.Name(id=name, ctx=ast.Load()), statement.lineno))
        return [read, statement, self.report("assigned", name, statement.lineno)]

    def reduction(self, value: ast.expr, name: str) -> str:
        """Return the operator of the reduction that is assigned to ``name``; empty if it is none."""
        if name not in self.names:
            return ""
        if isinstance(value, ast.IfExp):  # a reduction in some iterations, nothing in the others
            found = {self.reduction(each, name) for each in (value.body, value.orelse) if not _is(each, name)}
            return found.pop() if len(found) == 1 else ""
        if isinstance(value, ast.BinOp):
            operator = _REDUCTIONS.get(type(value.op), "")
            inverse = isinstance(value.op, ast.Sub | ast.Div)
            for side in (value.left,) if inverse else (value.left, value.right):
                if operator and (_is(side, name) or self.reduction(side, name) == operator):
                    return operator
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and not value.keywords:
            function = value.func.id
            if (
                function in _EXTREMES
                and self.scope.is_builtin(function)
                and any(_is(each, name) for each in value.args)
            ):
                return function
        return ""

    def around(self, value: ast.expr, name: str) -> ast.expr:
        """Rewrite a reduction without its own variable, where that is the one that is reduced."""
        if _is(value, name):
            return value
        if isinstance(value, ast.IfExp):
            value.test = self.visit(value.test)
            value.body, value.orelse = self.around(value.body, name), self.around(value.orelse, name)
        elif isinstance(value, ast.BinOp):
            inverse = isinstance(value.op, ast.Sub | ast.Div)
            left = _is(value.left, name) or bool(self.reduction(value.left, name))
            if left or inverse:
                value.left, value.right = self.around(value.left, name), self.visit(value.right)
            else:
                value.left, value.right = self.visit(value.left), self.around(value.right, name)
        elif isinstance(value, ast.Call):
            own = next(position for position, each in enumerate(value.args) if _is(each, name))
            value.args = [each if position == own else self.visit(each) for position, each in enumerate(value.args)]
        return value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Wrap a read."""
        if isinstance(node.ctx, ast.Load) and node.id in self.names:
            return self.read(node, node.lineno)
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        """Wrap an assignment inside an expression."""
        node.value = self.visit(node.value)
        if node.target.id not in self.names:
            return node
        return _call("assigned", ast.Constant(value=node.target.id), ast.Constant(value=node.lineno), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        """Leave what has variables of its own."""
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda  # type: ignore[assignment] # noqa: N815

    def read(self, node: ast.Name, line: int) -> ast.expr:
        """Return a read that is reported."""
        return _call("read", ast.Constant(value=node.id), ast.Constant(value=line), node)

    def writes(self, target: ast.expr) -> list[ast.stmt]:
        """Return the reports of the variables in the target of an assignment."""
        return [self.report("assigned", name, target.lineno) for name in sorted(_targets(target) & self.names)]

    def report(self, hook: str, *arguments: Any) -> ast.stmt:
        """Return a statement that reports."""
        return ast.Expr(value=_call(hook, *(ast.Constant(value=each) for each in arguments)))


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _call(hook: str, *arguments: ast.expr) -> ast.Call:
    function = ast.Attribute(value=ast.Name(id=HOOKS, ctx=ast.Load()), attr=hook, ctx=ast.Load())
    return ast.Call(func=function, args=list(arguments), keywords=[])
