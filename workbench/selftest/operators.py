"""Mutation operators: each proposes changes of a single node of the syntax tree, mistakes that are common in kernels."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from workbench.selftest.nodes import (
    base,
    binary,
    ceiling_terms,
    inner_loops,
    is_call,
    is_end,
    is_one,
    negated,
    of_constants,
    other_end,
    parsed,
    sets_element,
    with_arguments,
)


@dataclass(frozen=True)
class Scope:
    """The context of a node: the names in its function, and those of them that hold outputs."""

    names: frozenset[str]
    outputs: frozenset[str]


Edit = tuple[ast.AST, ast.AST]
"""A node and its replacement."""
_Operator = Callable[[ast.AST, Scope], Iterator[Edit]]


def _loop_bound(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Start a loop one step later; end it one step earlier or later.

    A loop over units or blocks of work, which is parallel or has a step, is not made longer: a block after the last one
    is empty.
    """
    if is_call(node, "range", "prange"):
        start, stop, *step = node.args if len(node.args) > 1 else (ast.Constant(0), *node.args)
        by = step[0] if step else ast.Constant(1)
        later = by if len(node.args) == 1 else binary(start, ast.Add(), by)
        yield node, with_arguments(node, later, stop, *step)
        for sign in (ast.Sub(), ast.Add()) if is_call(node, "range") and not step else (ast.Sub(),):
            moved = with_arguments(node, start, binary(stop, sign, by), *step)
            yield node, moved if len(node.args) > 1 else with_arguments(node, moved.args[1])


_BLOCK = 3
"""The block size of a loop without its tail: not a power of two, since most sizes in kernels are multiples of one."""


def _loop_tail(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Leave out what remains after the last full block."""
    if not isinstance(node, ast.For) or inner_loops(node):
        return
    loop = node.iter
    if is_call(loop, "range", "prange") and len(loop.args) == 1:  # other loops run over taps, a grid or full blocks
        stop = ast.unparse(loop.args[0])
        if stop.isdecimal() and (int(stop) < _BLOCK or int(stop) % _BLOCK == 0):
            return  # nothing remains
        whole = f"({stop}) if ({stop}) < {_BLOCK} else ({stop}) // {_BLOCK} * {_BLOCK}"
        yield loop, with_arguments(loop, parsed(whole))


_BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def _boundary(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Move the equal case to the other side of a comparison; exchange == and !=."""
    if isinstance(node, ast.Compare) and not of_constants(node):
        for place, operator in enumerate(node.ops):
            if type(operator) in _BOUNDARIES:
                moved = [*node.ops[:place], _BOUNDARIES[type(operator)](), *node.ops[place + 1 :]]
                yield node, ast.Compare(node.left, moved, node.comparators)


_PAIRS = ("stride", "padding", "dilation", "kernel_size")
_TWINS = ("pad_h", "pad_w"), ("height", "width"), ("kernel_h", "kernel_w"), ("out_h", "out_w")


def _axes(node: ast.AST, scope: Scope) -> Iterator[Edit]:
    """Use the width for the height, or the height for the width."""
    if is_end(node) and isinstance(node.value, ast.Name) and node.value.id in _PAIRS:
        yield node, other_end(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for twins in _TWINS:
            if set(twins) <= scope.names and node.id in twins:
                yield node, ast.Name(twins[1 - twins.index(node.id)], ast.Load())


def _sides(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Use the padding after the image for that before it, or that before it for that after it."""
    if is_end(node) and ast.unparse(node.value) in ("pad_h", "pad_w", "padding[0]", "padding[1]"):
        yield node, other_end(node)


def _arithmetic(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Exchange + and -; replace * by +."""
    if isinstance(node, ast.BinOp) and not is_one(node.right):
        if isinstance(node.op, ast.Add):
            yield node, binary(node.left, ast.Sub(), node.right)
        elif isinstance(node.op, ast.Sub | ast.Mult):
            yield node, binary(node.left, ast.Add(), node.right)


def _division(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Exchange quotient and remainder."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv | ast.Mod) and not ceiling_terms(node):
        yield node, binary(node.left, ast.Mod() if isinstance(node.op, ast.FloorDiv) else ast.FloorDiv(), node.right)


def _rounding_up(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Round a quotient down instead of up."""
    terms = ceiling_terms(node)
    if terms:
        assert isinstance(node, ast.BinOp)
        yield node, binary(parsed(" + ".join(terms)), ast.FloorDiv(), node.right)


def _accumulation(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Keep only the last term of a sum."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield node, ast.Assign([node.target], node.value)


def _dirty_output(node: ast.AST, scope: Scope) -> Iterator[Edit]:
    """Add to the previous contents of an output instead of overwriting them."""
    if sets_element(node) and base(node.targets[0]) in scope.outputs:
        target = cast(ast.Subscript, node.targets[0])
        yield node, ast.AugAssign(target, ast.Add(), node.value)


def _dropped(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Leave out a call, or the zeros that a sum starts with."""
    calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if calls or (sets_element(node) and isinstance(node.value, ast.Constant)):
        yield node, ast.Pass()


def _bias(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Leave out the bias."""
    if isinstance(node, ast.Subscript) and ast.unparse(node) in ("b[o]", "b[m]"):
        yield node, ast.Constant(0)
    if isinstance(node, ast.Assign) and ast.unparse(node.value) == "b":
        yield node.value, ast.Constant(0)


def _unpadded(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Use the whole range of taps or windows, although only a part of it covers input elements."""
    if is_call(node, "valid_range"):
        yield node, ast.Tuple([ast.Constant(0), node.args[2]], ast.Load())


def _lowest(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Use zero, or a number that is merely large, for infinity."""
    if ast.unparse(node) in ("float('inf')", "math.inf"):
        yield node, ast.Constant(0)
        yield node, ast.Constant(1e30)


def _flipped(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Read a filter backwards along one axis: convolution instead of correlation."""
    if isinstance(node, ast.Subscript) and base(node) in ("w", "dw") and isinstance(node.slice, ast.Tuple):
        for index in node.slice.elts:
            size = {"p": "kernel_h", "q": "kernel_w"}.get(ast.unparse(index))
            if size:
                yield index, parsed(f"{size} - 1 - {ast.unparse(index)}")


def _divisor(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Leave out a division."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield node, node.left
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
        yield node, ast.Pass()


def _extreme(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Replace a maximum or minimum by one of its arguments."""
    if is_call(node, "max", "min"):
        for argument in node.args:
            yield node, argument


def _condition(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Leave out a guard; negate any other condition."""
    if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Continue | ast.Return):
        yield node.test, ast.Constant(False)
    elif isinstance(node, ast.If | ast.IfExp):
        yield node.test, negated(node.test)


def _clause(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Leave out one clause of a condition."""
    if isinstance(node, ast.BoolOp):
        for clause in node.values:
            rest = [value for value in node.values if value is not clause]
            if not of_constants(clause):
                yield node, ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0]


def _flag(node: ast.AST, _scope: Scope) -> Iterator[Edit]:
    """Pass the opposite flag to a launched kernel."""
    if is_call(node, "launch"):
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
