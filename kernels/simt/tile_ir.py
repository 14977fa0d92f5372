"""The compiled side of ``kernels.simt.tile``: for every function there, its Numba types and its LLVM IR.

A definition takes Numba's typing context and the types of the arguments, and returns the type of a call and a function that
generates its code, as for ``numba.extending.intrinsic``. Neither depends on the target: CUDA and the simulator, which
compiles for the CPU, share them. A tuple is an array of LLVM's.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from numba import config, types

from kernels.compile.numba_internals.generating import make_array
from kernels.compile.numba_internals.llvm import ir

Function = TypeVar("Function", bound=Callable[..., Any])
Definition = Callable[..., Any]

ACCESS_BYTES = 16
"""The widest access of a thread to memory."""


def compiled(definition: Definition) -> Callable[[Function], Function]:
    """Make CUDA kernels compile calls of a function by ``definition``; calls from Python run the function itself."""

    def register(function: Function) -> Function:
        function.definition = definition  # type: ignore[attr-defined]
        if config.ENABLE_CUDASIM:
            return function
        from kernels.compile.numba_internals.cuda_generating import intrinsic

        made: Function = intrinsic(definition)
        made.__doc__, made.__name__ = function.__doc__, function.__name__
        return made

    return register


def packed(builder: Any, values: Iterable[Any], element: Any) -> Any:
    """Return a tile of values whose LLVM type is ``element``."""
    values = list(values)
    made = ir.Constant(ir.ArrayType(element, len(values)), ir.Undefined)
    for place, value in enumerate(values):
        made = builder.insert_value(made, value, place)
    return made


def unpacked(builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return the values of a tile whose Numba type is ``kind``."""
    return [builder.extract_value(value, place) for place in range(kind.count)]


def spread(_typing: Any, count: Any, value: Any) -> Any:
    """Define ``tile.spread``."""
    if not isinstance(count, types.IntegerLiteral) or not isinstance(value, types.Float):
        return None
    made = types.UniTuple(value, count.literal_value)

    def generate(_context: Any, builder: Any, _call: Any, arguments: Any) -> Any:
        return packed(builder, [arguments[1]] * made.count, arguments[1].type)

    return made(count, value), generate


def outer(_typing: Any, tile: Any, left: Any, right: Any) -> Any:
    """Define ``tile.outer``."""
    vectors = isinstance(left, types.UniTuple) and isinstance(right, types.UniTuple)
    if not vectors or tile != types.UniTuple(left.dtype, left.count * right.count) or left.dtype != right.dtype:
        return None

    def generate(_context: Any, builder: Any, _call: Any, arguments: Any) -> Any:
        sums, rows, columns = (
            unpacked(builder, kind, value) for kind, value in zip((tile, left, right), arguments, strict=True)
        )
        products = ((row, column) for row in rows for column in columns)
        added = (builder.fma(*pair, total) for pair, total in zip(products, sums, strict=True))
        return packed(builder, added, sums[0].type)

    return tile(tile, left, right), generate


def part(_typing: Any, tile: Any, first: Any, count: Any) -> Any:
    """Define ``tile.part``."""
    if not isinstance(count, types.IntegerLiteral) or not isinstance(first, types.Integer):
        return None
    made = types.UniTuple(tile.dtype, count.literal_value)

    def generate(context: Any, builder: Any, call: Any, arguments: Any) -> Any:
        kind = call.args[1]
        wide = context.cast(builder, arguments[1], kind, types.int64)
        with builder.goto_entry_block():
            whole = builder.alloca(arguments[0].type)
        builder.store(arguments[0], whole)
        zero = ir.Constant(ir.IntType(32), 0)
        values = []
        for number in range(made.count):
            place = builder.add(wide, ir.Constant(wide.type, number))
            values.append(builder.load(builder.gep(whole, [zero, place])))
        return packed(builder, values, values[0].type)

    return made(tile, first, count), generate


def pieces(element: Any, count: int) -> list[tuple[int, int]]:
    """Return the accesses that move ``count`` neighbouring elements: the first element and the number of each."""
    most = ACCESS_BYTES * 8 // element.bitwidth
    return [(first, min(most, count - first)) for first in range(0, count, most)]


def _place(context: Any, builder: Any, array: Any, values: Any, first: int, count: int) -> Any:
    """Return the address of a piece, as one of vectors."""
    made = make_array(array)(context, builder, values[0])
    kind = made.data.type.pointee
    place = builder.gep(made.data, [builder.add(values[1], ir.Constant(values[1].type, first))])
    return builder.bitcast(place, ir.VectorType(kind, count).as_pointer())


def is_flat(array: Any) -> bool:
    """Return whether elements of an array can be moved by ``tile.load`` and ``tile.store``."""
    return (
        isinstance(array, types.Array)
        and array.ndim == 1
        and array.layout == "C"
        and isinstance(array.dtype, types.Float)
    )


def load(_typing: Any, array: Any, offset: Any, count: Any) -> Any:
    """Define ``tile.load``."""
    if not is_flat(array) or not isinstance(offset, types.Integer) or not isinstance(count, types.IntegerLiteral):
        return None
    made = types.UniTuple(array.dtype, count.literal_value)

    def generate(context: Any, builder: Any, _call: Any, arguments: Any) -> Any:
        values = []
        for first, size in pieces(array.dtype, made.count):
            place = _place(context, builder, array, arguments, first, size)
            vector = builder.load(place, align=size * array.dtype.bitwidth // 8)
            values += [builder.extract_element(vector, ir.Constant(ir.IntType(32), number)) for number in range(size)]
        return packed(builder, values, values[0].type)

    return made(array, offset, count), generate


def store(_typing: Any, array: Any, offset: Any, values: Any) -> Any:
    """Define ``tile.store``."""
    if not is_flat(array) or not isinstance(offset, types.Integer) or not isinstance(values, types.UniTuple):
        return None

    def generate(context: Any, builder: Any, _call: Any, arguments: Any) -> Any:
        given = unpacked(builder, values, arguments[2])
        for first, size in pieces(array.dtype, values.count):
            place = _place(context, builder, array, arguments, first, size)
            vector = ir.Constant(place.type.pointee, ir.Undefined)
            for number in range(size):
                vector = builder.insert_element(vector, given[first + number], ir.Constant(ir.IntType(32), number))
            builder.store(vector, place, align=size * array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, offset, values), generate


def put(_typing: Any, tile: Any, place: Any, value: Any) -> Any:
    """Define ``tile.put``."""
    if not isinstance(tile, types.UniTuple) or not isinstance(place, types.Integer) or value != tile.dtype:
        return None

    def generate(context: Any, builder: Any, call: Any, arguments: Any) -> Any:
        with builder.goto_entry_block():
            whole = builder.alloca(arguments[0].type)
        builder.store(arguments[0], whole)
        wide = context.cast(builder, arguments[1], call.args[1], types.int64)
        builder.store(arguments[2], builder.gep(whole, [ir.Constant(ir.IntType(32), 0), wide]))
        return builder.load(whole)

    return tile(tile, place, value), generate
