"""What a shuffle gives is undefined where its source takes no part; here code is added that follows such values.

Every variable that may hold one gets a companion that tells whether it does: set by shuffles, handed on by arithmetic, by
calls and returns of device functions, and by the shuffles of other lanes, as the program runs. Lanes at the edge compute
with such values all the time and throw them away; where one is written, or where to write depends on one, is it a fault.

What is not followed: values kept in arrays, and branches.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from numba.core import ir, types
from numba.core.dispatcher import Dispatcher
from numba.core.ir_utils import get_definition, guard
from numba.extending import intrinsic

from workbench.sim.generating import INT64, constant, load_state, store_state
from workbench.sim.language import CUDA
from workbench.sim.runtime import layout as at

_SHUFFLES = {getattr(CUDA, name) for name in ("shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync")}
_WRITERS = {value for name, value in vars(vars(CUDA)["atomic"]).items() if name[0] != "_"} | {
    getattr(CUDA, name) for name in ("stcg", "stcs", "stwb", "stwt")
}


@intrinsic(prefer_literal=True)
def _tell(_context: Any, word: Any, flag: Any) -> Any:
    """Put a flag into a word of the state."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.cast(builder, arguments[1], signature.args[1], types.boolean)
        truth = context.is_true(builder, types.boolean, given)
        store_state(builder, word.literal_value, builder.zext(truth, INT64))
        return context.get_dummy_value()

    return types.none(word, types.unliteral(flag)), generate


@intrinsic(prefer_literal=True)
def _told(_context: Any, word: Any) -> Any:
    """Give a flag that is in a word of the state."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.icmp_unsigned("!=", load_state(builder, word.literal_value), constant(0))

    return types.boolean(word), generate


def follow(func_ir: Any) -> None:
    """Add the code to a function's intermediate representation, in which variables are assigned more than once."""
    sources = {
        id(statement): _source(func_ir, statement.value)
        for block in func_ir.blocks.values()
        for statement in block.body
        if isinstance(statement, ir.Assign)
    }
    if not any(sources.values()):
        return
    doubtful = _doubtful(func_ir, sources)
    for block in func_ir.blocks.values():
        block.body = [
            added for statement in block.body for added in _Followed(func_ir, block, statement, sources, doubtful).all()
        ]


def _source(func_ir: Any, value: Any) -> int:
    """Give the word that tells whether a call gives an undefined value: 0 for what does not by itself."""
    if not (isinstance(value, ir.Expr) and value.op == "call"):
        return 0
    called = _resolved(func_ir, value.func)
    if _is_one_of(called, _SHUFFLES):
        return at.RECEIVED
    return at.RETURNED if isinstance(called, Dispatcher) and _shuffles(called.py_func, set()) else 0


def _resolved(func_ir: Any, variable: Any) -> Any:
    """Give the Python object that a variable stands for; None where that is not known."""
    definition = guard(get_definition, func_ir, variable)
    if isinstance(definition, ir.Global | ir.FreeVar):
        return definition.value
    if isinstance(definition, ir.Expr) and definition.op == "getattr":
        return getattr(_resolved(func_ir, definition.value), definition.attr, None)
    return None


def _is_one_of(value: Any, known: set[Any]) -> bool:
    return any(value is each for each in known)


def _shuffles(function: Any, seen: set[Any]) -> bool:
    """Whether a device function calls a shuffle, itself or through others."""
    seen.add(function)
    code = function.__code__
    names: dict[str, Any] = {}
    names |= {name: function.__globals__.get(name) for name in code.co_names}
    names |= {name: cell.cell_contents for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)}
    if any(name.startswith("shfl_") for name in code.co_names) or any(
        _is_one_of(value, _SHUFFLES) for value in names.values()
    ):
        return True
    called = [getattr(value, "py_func", None) for value in names.values()]
    return any(_shuffles(each, seen) for each in called if hasattr(each, "__code__") and each not in seen)


def _doubtful(func_ir: Any, sources: dict[int, int]) -> set[str]:
    """Give the names of variables that may hold an undefined value."""
    assigned = [each for block in func_ir.blocks.values() for each in block.body if isinstance(each, ir.Assign)]
    found = {each.target.name for each in assigned if sources[id(each)]}
    size = 0
    while size < len(found):
        size = len(found)
        found |= {each.target.name for each in assigned if any(name in found for name in _used(each.value))}
    return found


def _used(value: Any) -> list[str]:
    """Give the names of the variables that a value is made of."""
    if isinstance(value, ir.Var):
        return [value.name]
    if not isinstance(value, ir.Expr):
        return []
    function = value.func.name if value.op == "call" else ""
    return [each.name for each in value.list_vars() if each.name != function]


class _Followed:
    """One statement, with what is added before and after it."""

    def __init__(self, func_ir: Any, block: Any, statement: Any, sources: dict[int, int], doubtful: set[str]) -> None:
        self._ir, self._scope, self._statement = func_ir, block.scope, statement
        self._source, self._doubtful = sources.get(id(statement), 0), doubtful
        self._loc = statement.loc

    def all(self) -> Iterator[Any]:
        """Give the statements in their order."""
        statement = self._statement
        written = self._written()
        if written:
            yield from self._tell(at.WRITTEN, written)
        elif self._source == at.RECEIVED:
            yield from self._tell(at.SENT, _used(statement.value))
        elif isinstance(statement, ir.Return):
            yield from self._tell(at.RETURNED, [statement.value.name])
        yield statement
        if written:
            yield from self._tell(at.WRITTEN, [])
        if isinstance(statement, ir.Assign) and statement.target.name in self._doubtful:
            target = self._companion(statement.target.name)
            if self._source:
                yield from self._call(_told, target, self._source)
                yield from self._gather(
                    [] if self._source == at.RECEIVED else _used(statement.value), target, first=target
                )
            else:
                yield from self._gather(_used(statement.value), target)

    def _written(self) -> list[str]:
        """Give the doubtful names that decide what is written, or where."""
        statement, names = self._statement, []
        if isinstance(statement, ir.SetItem):
            names = [statement.value.name, statement.index.name]
        elif isinstance(statement, ir.StaticSetItem | ir.SetAttr):
            names = [statement.value.name]
        elif isinstance(statement, ir.Assign) and self._is_call_of_a_writer(statement.value):
            names = _used(statement.value)
        return [name for name in names if name in self._doubtful]

    def _is_call_of_a_writer(self, value: Any) -> bool:
        is_call = isinstance(value, ir.Expr) and value.op == "call"
        return is_call and _is_one_of(_resolved(self._ir, value.func), _WRITERS)

    def _companion(self, name: str) -> Any:
        return self._scope.get_or_define(f"undefined_is.{name}", self._loc)

    def _tell(self, word: int, names: list[str]) -> Iterator[Any]:
        flag = self._scope.redefine("undefined_flag", self._loc)
        yield from self._gather(names, flag)
        yield from self._call(_tell, self._scope.redefine("undefined_told", self._loc), word, flag)

    def _gather(self, names: list[str], target: Any, first: Any = None) -> Iterator[Any]:
        """Let a variable tell whether any of these holds an undefined value."""
        flags = ([first] if first is not None else []) + [
            self._companion(each) for each in names if each in self._doubtful
        ]
        if not flags:
            yield ir.Assign(ir.Const(False, self._loc), target, self._loc)
            return
        total = flags[0]
        for flag in flags[1:]:
            sum_ = self._scope.redefine("undefined_any", self._loc)
            yield ir.Assign(ir.Expr.binop(operator.or_, total, flag, self._loc), sum_, self._loc)
            total = sum_
        if total is not target:
            yield ir.Assign(total, target, self._loc)

    def _call(self, function: Any, target: Any, word: int, flag: Any = None) -> Iterator[Any]:
        called, number = (self._scope.redefine(f"undefined_{name}", self._loc) for name in ("function", "word"))
        yield ir.Assign(ir.Global(function.__name__, function, self._loc), called, self._loc)
        yield ir.Assign(ir.Const(word, self._loc), number, self._loc)
        given = [number] if flag is None else [number, flag]
        yield ir.Assign(ir.Expr.call(called, given, (), self._loc), target, self._loc)
