"""Add code that follows undefined values: a shuffle's result is undefined if its source lane does not take part.

Every variable that may hold one gets a companion that indicates whether it does, and for a tuple, which elements: set by
shuffles, passed on by arithmetic, into and out of device functions, and by the shuffles of other lanes, as the program runs.
Lanes at the edge often compute with such values and discard them. It is a fault only if one is written, or if the written
address depends on one.

Values read from memory that nothing has written are followed likewise, if a launch has read one; they must not decide a
branch or the address of a read either. Otherwise values kept in arrays, and those of shuffles in branches, are not followed.
"""

import operator
from collections.abc import Iterator
from typing import Any

from numba import types
from numba.extending import intrinsic

from workbench.numba_internals.compiling import Dispatcher
from workbench.numba_internals.llvm import ir as llvm
from workbench.numba_internals.representation import get_definition, guard, ir
from workbench.sim.common.generating import INT64, call_runtime, constant, load_state, store_state
from workbench.sim.compiler.device_functions import is_compiled_here
from workbench.sim.compiler.resolving import resolved
from workbench.sim.compiler.shuffling import SHUFFLES, is_one_of
from workbench.sim.language import CUDA
from workbench.sim.runtime import layout as at

_WRITERS = {value for name, value in vars(vars(CUDA)["atomic"]).items() if name[0] != "_"} | {
    getattr(CUDA, name) for name in ("stcg", "stcs", "stwb", "stwt")
}
_LOADS = ("getitem", "static_getitem")
_MOST = 62
"""The number of tuple elements that are distinguished."""


@intrinsic(prefer_literal=True)
def _tell(_context: Any, word: Any, flags: Any) -> Any:
    """Store flags in a word of the state."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.cast(builder, arguments[1], signature.args[1], types.int64)
        store_state(builder, word.literal_value, given)
        return context.get_dummy_value()

    return types.none(word, types.unliteral(flags)), generate


@intrinsic(prefer_literal=True)
def _told(_context: Any, word: Any) -> Any:
    """Return the flags in a word of the state."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return load_state(builder, word.literal_value)

    return types.int64(word), generate


@intrinsic(prefer_literal=True)
def _as_part(_context: Any, flags: Any, place: Any) -> Any:
    """Return the flags of a tuple whose element has these flags."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.cast(builder, arguments[0], signature.args[0], types.int64)
        is_set = builder.icmp_unsigned("!=", given, constant(0))
        return builder.select(is_set, constant(1 << min(place.literal_value, _MOST)), constant(0))

    return types.int64(types.unliteral(flags), place), generate


@intrinsic(prefer_literal=True)
def _of_part(_context: Any, flags: Any, place: Any) -> Any:
    """Return the flags of one element of a tuple with these flags."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.cast(builder, arguments[0], signature.args[0], types.int64)
        part = builder.and_(given, constant(1 << min(place.literal_value, _MOST)))
        return builder.select(builder.icmp_unsigned("!=", part, constant(0)), llvm.Constant(INT64, -1), constant(0))

    return types.int64(types.unliteral(flags), place), generate


@intrinsic
def _of_choice(_context: Any, choice: Any, first: Any, second: Any) -> Any:
    """Return the flags of the value that ``selp`` selects."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = [
            context.cast(builder, value, kind, types.int64)
            for value, kind in zip(arguments[1:], signature.args[1:], strict=True)
        ]
        return builder.select(context.is_true(builder, choice, arguments[0]), *given)

    return types.int64(choice, types.unliteral(first), types.unliteral(second)), generate


@intrinsic
def _decide(_context: Any, flags: Any) -> Any:
    """Report that a branch or an address depends on an undefined value, if it is one of memory that nothing has written."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.cast(builder, arguments[0], signature.args[0], types.int64)
        with builder.if_then(builder.icmp_unsigned("!=", given, constant(0)), likely=False):
            call_runtime(builder, "decides")
        return context.get_dummy_value()

    return types.none(types.unliteral(flags)), generate


def follow(func_ir: Any, *, loads: bool) -> None:
    """Add the code to a function's intermediate representation, which is not in SSA form.

    With ``loads``, what is read from memory that nothing has written is followed too, and matters also where it decides a
    branch or an address.
    """
    sources = {
        id(statement): _source(func_ir, statement.value, loads=loads)
        for block in func_ir.blocks.values()
        for statement in block.body
        if isinstance(statement, ir.Assign)
    }
    doubtful = _doubtful(func_ir, sources)
    for block in func_ir.blocks.values():
        block.body = [
            added
            for statement in block.body
            for added in _Followed(func_ir, block, statement, sources, doubtful, loads).all()
        ]


def _source(func_ir: Any, value: Any, *, loads: bool) -> int:
    """Return the state word that indicates whether a value is undefined: 0 if that follows from its operands."""
    if isinstance(value, ir.Arg):
        return at.PASSED
    if loads and isinstance(value, ir.Expr) and value.op in _LOADS:
        return at.LOADED
    if not (isinstance(value, ir.Expr) and value.op == "call"):
        return 0
    called = resolved(func_ir, value.func)
    if is_one_of(called, SHUFFLES):
        return at.RECEIVED
    return at.RETURNED if isinstance(called, Dispatcher) and is_compiled_here(called) else 0


def _doubtful(func_ir: Any, sources: dict[int, int]) -> set[str]:
    """Return the names of variables that may hold an undefined value."""
    assigned = [each for block in func_ir.blocks.values() for each in block.body if isinstance(each, ir.Assign)]
    found = {each.target.name for each in assigned if sources[id(each)]}
    size = 0
    while size < len(found):
        size = len(found)
        found |= {each.target.name for each in assigned if any(name in found for name in _used(each.value))}
    return found


def _used(value: Any) -> list[str]:
    """Return the names of the variables in a value's expression."""
    if isinstance(value, ir.Var):
        return [value.name]
    if not isinstance(value, ir.Expr):
        return []
    function = value.func.name if value.op == "call" else ""
    return [each.name for each in value.list_vars() if each.name != function]


class _Followed:
    """One statement, with the statements added before and after it."""

    def __init__(
        self, func_ir: Any, block: Any, statement: Any, sources: dict[int, int], doubtful: set[str], loads: bool
    ) -> None:
        self._ir, self._scope, self._statement, self._loads = func_ir, block.scope, statement, loads
        self._source, self._doubtful = sources.get(id(statement), 0), doubtful
        self._loc = statement.loc

    def all(self) -> Iterator[Any]:
        """Yield the statements in order."""
        statement = self._statement
        written = self._written()
        if written:
            yield from self._tell(at.WRITTEN, written)
        elif self._source == at.RECEIVED:
            yield from self._tell(at.SENT, _used(statement.value))
        elif self._source == at.RETURNED:
            parts = self._temporary("parts")
            yield from self._parts([each.name for each in statement.value.args], parts)
            yield from self._call(_tell, self._temporary("done"), at.PASSED, parts)
        elif self._source == at.LOADED:
            yield from self._tell(at.LOADED, [])
            yield from self._decided(statement.value.index)
        elif isinstance(statement, ir.Branch) and self._loads:
            yield from self._decided(statement.cond)
        elif isinstance(statement, ir.Return):
            yield from self._tell(at.RETURNED, [statement.value.name])
        yield statement
        if written:
            yield from self._tell(at.WRITTEN, [])
        if isinstance(statement, ir.Assign) and statement.target.name in self._doubtful:
            yield from self._assigned(statement.value, self._companion(statement.target.name))

    def _assigned(self, value: Any, target: Any) -> Iterator[Any]:
        """Update the companion of an assigned variable."""
        if self._source:
            yield from self._call(_told, target, self._source)
        if self._source == at.PASSED:
            yield from self._call(_of_part, target, target, value.index)
        elif self._source == at.RETURNED:
            yield from self._gather([each.name for _, each in value.kws], target, first=target)
        elif self._source == at.LOADED:
            told = self._temporary("told")
            yield from self._call(_told, told, at.LOADED)
            yield from self._made(value, target)
            yield from self._any([told, target], target)
        elif not self._source:
            yield from self._made(value, target)

    def _decided(self, variable: Any) -> Iterator[Any]:
        """Report a branch or an address that depends on an undefined value."""
        if isinstance(variable, ir.Var) and variable.name in self._doubtful:
            yield from self._call(_decide, self._temporary("done"), self._companion(variable.name))

    def _made(self, value: Any, target: Any) -> Iterator[Any]:
        """Update the companion of a variable computed from others."""
        operation = value.op if isinstance(value, ir.Expr) else ""
        place = self._place(value) if operation in ("static_getitem", "getitem") else None
        if operation == "build_tuple":
            yield from self._parts([each.name for each in value.items], target)
        elif place is not None and value.value.name in self._doubtful:
            yield from self._call(_of_part, target, self._companion(value.value.name), place)
        elif operation == "call" and resolved(self._ir, value.func) is CUDA.selp and len(value.args) == 3:
            choice, first, second = value.args
            flags = [self._temporary(name) for name in ("first", "second")]
            yield from self._gather([first.name], flags[0])
            yield from self._gather([second.name], flags[1])
            yield from self._call(_of_choice, target, choice, *flags)
            yield from self._gather([choice.name], target, first=target)
        else:
            yield from self._gather(_used(value), target)

    def _place(self, value: Any) -> int | None:
        """Return the index of an element if it is constant and not negative."""
        index = value.index
        if isinstance(index, ir.Var):
            definition = guard(get_definition, self._ir, index)
            index = definition.value if isinstance(definition, ir.Const) else None
        return index if isinstance(index, int) and index >= 0 else None

    def _written(self) -> list[str]:
        """Return the doubtful names that determine a written value or address."""
        statement, names = self._statement, []
        if isinstance(statement, ir.SetItem):
            names = [statement.value.name, statement.index.name, statement.target.name]
        elif isinstance(statement, ir.StaticSetItem | ir.SetAttr):
            names = [statement.value.name, statement.target.name]
        elif isinstance(statement, ir.Assign) and self._is_call_of_a_writer(statement.value):
            names = _used(statement.value)
        return [name for name in names if name in self._doubtful]

    def _is_call_of_a_writer(self, value: Any) -> bool:
        is_call = isinstance(value, ir.Expr) and value.op == "call"
        return is_call and is_one_of(resolved(self._ir, value.func), _WRITERS)

    def _companion(self, name: str) -> Any:
        return self._scope.get_or_define(f"undefined_is.{name}", self._loc)

    def _temporary(self, name: str) -> Any:
        return self._scope.redefine(f"undefined_{name}", self._loc)

    def _tell(self, word: int, names: list[str]) -> Iterator[Any]:
        flags = self._temporary("flags")
        yield from self._gather(names, flags)
        yield from self._call(_tell, self._temporary("done"), word, flags)

    def _parts(self, names: list[str], target: Any) -> Iterator[Any]:
        """Set a variable to flags for which of these hold undefined values."""
        flags = []
        for place, name in enumerate(names):
            if name in self._doubtful:
                flags.append(self._temporary("part"))
                yield from self._call(_as_part, flags[-1], self._companion(name), place)
        yield from self._any(flags, target)

    def _gather(self, names: list[str], target: Any, first: Any = None) -> Iterator[Any]:
        """Set a variable to whether any of these holds an undefined value."""
        known = [self._companion(each) for each in names if each in self._doubtful]
        yield from self._any(([first] if first is not None else []) + known, target)

    def _any(self, flags: list[Any], target: Any) -> Iterator[Any]:
        if not flags:
            yield ir.Assign(ir.Const(0, self._loc), target, self._loc)
            return
        total = flags[0]
        for flag in flags[1:]:
            sum_ = self._temporary("any")
            yield ir.Assign(ir.Expr.binop(operator.or_, total, flag, self._loc), sum_, self._loc)
            total = sum_
        if total is not target:
            yield ir.Assign(total, target, self._loc)

    def _call(self, function: Any, target: Any, *given: Any) -> Iterator[Any]:
        """Call a function on variables and constants."""
        called = self._temporary("function")
        yield ir.Assign(ir.Global(function.__name__, function, self._loc), called, self._loc)
        variables = []
        for each in given:
            if isinstance(each, int):
                variables.append(self._temporary("constant"))
                yield ir.Assign(ir.Const(each, self._loc), variables[-1], self._loc)
            else:
                variables.append(each)
        yield ir.Assign(ir.Expr.call(called, variables, (), self._loc), target, self._loc)
