"""Explain why a line computes in float64, from Numba's own types."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from numba import types

from workbench.inspecting.cpu.debug_lines import Place
from workbench.numba_internals.representation import Parfor, ir

FAR = 8
"""The number of assignments to search backwards for a constant."""

Why = tuple[str, str]
"""A description of the line, and the remedy."""


def double_reason(results: Sequence[Any], place: Place) -> Why | None:
    """Return why a line computes in float64, and the remedy.

    Parameters
    ----------
    results : Numba's records of the compiled functions
    place : the source line
    """
    for result in results:
        annotation = result.type_annotation
        if not hasattr(annotation, "typemap") or annotation.typemap is None:
            continue
        found = list(assignments(annotation.blocks.values()))
        typed = _Typed(annotation.typemap, found)
        for each in found:
            if (
                each.loc.line == place.line
                and each.loc.filename in (place.file, "<string>")
                and typed.is_double(each.target)
            ):
                why = typed.why(each)
                if why is not None:
                    return why
    return None


class _Typed:
    """The assignments of a function, with the types of its variables."""

    def __init__(self, typemap: Any, assigned: Sequence[Any]) -> None:
        self.typemap = typemap
        self.definitions: dict[str, list[Any]] = {}
        for each in assigned:
            self.definitions.setdefault(each.target.name, []).append(each)

    def is_double(self, variable: Any) -> bool:
        return bool(self._type(variable) == types.float64)

    def _type(self, variable: Any) -> Any:
        found = self.typemap.get(variable.name)
        return None if found is None else types.unliteral(found)

    def why(self, assignment: Any) -> Why | None:
        value = assignment.value
        if not isinstance(value, ir.Expr) or value.op not in ("binop", "inplace_binop", "call"):
            return None
        operands = [value.lhs, value.rhs] if value.op != "call" else list(value.args)
        constant = next((found for each in operands if (found := self._constant(each, FAR)) is not None), None)
        adds = value.op != "call" and _function(value) in (operator.iadd, operator.isub, operator.add, operator.sub)
        verb = "accumulates" if adds and self._is_running(assignment) else "computes"
        if constant is not None:
            literal, line = constant
            where = "" if line == assignment.loc.line else f" (line {line})"
            number = int(literal) if literal == int(literal) else literal
            return (
                f"{verb} in float64 because {literal}{where} is a double",
                f"write np.float32({number}), or x.dtype.type({number}) for either precision",
            )
        array = next((made for each in operands if (made := self._double_array(each)) is not None), None)
        if array is not None:
            name, line = array
            return (
                f"{verb} in float64 because the array {name} (line {line}) is made without a dtype, and so of doubles",
                "give np.zeros, np.empty and the like the dtype of the arrays, dtype=x.dtype",
            )
        integer = next((each for each in operands if isinstance(self._type(each), types.Integer)), None)
        if integer is not None:
            named = "" if integer.name.startswith("$") else f" {integer.name.split('.')[0]}"
            return (
                f"{verb} in float64 because an integer{named} and a float32 give a double",
                "convert the integer to the arrays' dtype first, np.float32(n) or x.dtype.type(n)",
            )
        return None

    def _is_running(self, assignment: Any) -> bool:
        """Return whether the assignment updates a variable that its right side reads."""
        value = assignment.value
        source = value.lhs.name.split(".")[0]
        users = {
            each.target.name.split(".")[0]
            for group in self.definitions.values()
            for each in group
            if isinstance(each.value, ir.Var) and each.value.name == assignment.target.name
        }
        return source in users | {assignment.target.name.split(".")[0]}

    def _double_array(self, variable: Any) -> tuple[str, int] | None:
        """Return the array of doubles that a variable is an element of, if a call makes it, and the line of the call."""
        for each in self.definitions.get(variable.name, ()):
            if isinstance(each.value, ir.Expr) and each.value.op in ("getitem", "static_getitem"):
                array, far = each.value.value, FAR
                while far and (made := self.definitions.get(array.name)):
                    if isinstance(made[0].value, ir.Expr) and made[0].value.op == "call":
                        return (array.name.partition(".")[0], made[0].loc.line) if self._is_doubles(array) else None
                    if not isinstance(made[0].value, ir.Var):
                        break
                    array, far = made[0].value, far - 1
        return None

    def _is_doubles(self, array: Any) -> bool:
        return bool(getattr(self._type(array), "dtype", None) == types.float64)

    def _constant(self, variable: Any, far: int) -> tuple[float, int] | None:
        """Return the float literal that made a variable a double, and its line."""
        if far == 0 or not self.is_double(variable):
            return None
        for each in self.definitions.get(variable.name, ()):
            value = each.value
            if isinstance(value, ir.Const | ir.Global | ir.FreeVar) and isinstance(value.value, float):
                return value.value, each.loc.line
        for each in self.definitions.get(variable.name, ()):
            for source in _sources(each.value):
                found = self._constant(source, far - 1)
                if found is not None:
                    return found
        return None


def _function(value: Any) -> Any:
    return value.immutable_fn if value.op == "inplace_binop" else value.fn


def _sources(value: Any) -> list[Any]:
    """Return the variables that a value depends on."""
    if isinstance(value, ir.Var):
        return [value]
    if isinstance(value, ir.Expr):
        return [each for each in value.list_vars() if isinstance(each, ir.Var)]
    return []


def assignments(blocks: Iterable[Any]) -> Iterator[Any]:
    """Yield the assignments in blocks of Numba's representation, those in parallel loops too."""
    for block in blocks:
        for statement in block.body:
            if isinstance(statement, ir.Assign):
                yield statement
            elif isinstance(statement, Parfor):
                yield from assignments([statement.init_block, *statement.loop_body.values()])
