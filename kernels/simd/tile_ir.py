"""The compiled side of ``kernels.simd.tile``: for every function there, its Numba types and its LLVM IR.

A definition has the name and parameters of the function it stands for. It takes the Numba types of the arguments and
returns the type of a call and a body, or None if the types do not fit. The body builds instructions from LLVM values: a
tile is passed and returned as the list of its vectors, tile[i,j] at index i*n + j; offsets are passed as a list, an array
as ``_Memory``.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from numba import types
from numba.extending import models, register_model

from kernels.compile.numba_internals.generating import cgutils, make_array, templates
from kernels.compile.numba_internals.llvm import ir
from kernels.simd.registers import WIDTHS, has_fma, register_bytes

Function = TypeVar("Function", bound=Callable[..., Any])
Body = Callable[..., Any]
Definition = tuple[Any, Body] | None
"""The type of a call, and body(builder, *arguments)."""

INT = ir.IntType(64)
INT32 = ir.IntType(32)


class TileType(types.Type):  # type: ignore[misc,unused-ignore]
    """The type of a tile: ``m`` rows of ``n`` vectors of ``lanes`` elements of ``dtype``."""

    def __init__(self, m: int, n: int, dtype: Any) -> None:
        self.m, self.n, self.dtype = m, n, dtype
        self.lanes = _lanes(dtype)
        super().__init__(name=f"Tile({m}x{n}x{self.lanes}, {dtype})")

    @property
    def vector(self) -> ir.VectorType:
        """The LLVM type of one vector."""
        return ir.VectorType(ir.FloatType() if self.dtype == types.float32 else ir.DoubleType(), self.lanes)


@register_model(TileType)
class _TileModel(models.PrimitiveModel):  # type: ignore[misc,unused-ignore]
    """Represents a tile in LLVM as an array of vectors, which LLVM splits and keeps in registers."""

    def __init__(self, manager: Any, tile: TileType) -> None:
        super().__init__(manager, tile, ir.ArrayType(tile.vector, tile.m * tile.n))


def compiled(definition: Callable[..., Definition], *, literal: bool = False) -> Callable[[Function], Function]:
    """Make Numba compile calls of a function by ``definition``; calls from Python run the function itself.

    With ``literal`` the definition receives the values of constant arguments.
    """

    def numba_definition(*argument_types: Any) -> Any:
        found = definition(*argument_types[1:])
        if found is None:
            return None
        call, body = found
        return call, lambda *values: _generate(body, *values)

    def register(function: Function) -> Function:
        # Numba binds calls to the parameters that follow the first
        context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY)
        parameters = [context, *inspect.signature(definition).parameters.values()]
        numba_definition.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        name = function.__name__
        template = templates.make_intrinsic_template(function, numba_definition, name, prefer_literal=literal)
        templates.infer(template)
        templates.infer_global(function, types.Function(template))
        return function

    return register


def _generate(body: Body, context: Any, builder: Any, call: Any, values: Any) -> Any:
    """Convert the arguments to the form that a body uses, and its result to the form that Numba uses."""
    arguments: list[Any] = []
    for kind, value in zip(call.args, values, strict=True):
        if isinstance(kind, TileType):
            arguments.append([builder.extract_value(value, place) for place in range(kind.m * kind.n)])
        elif isinstance(kind, types.BaseTuple):
            arguments.append(cgutils.unpack_tuple(builder, value))
        elif isinstance(kind, types.Array):
            arguments.append(_Memory(context, builder, kind, value))
        else:
            arguments.append(value)
    result = body(builder, *arguments)
    if result is None:
        return context.get_dummy_value()
    if isinstance(call.return_type, types.BaseTuple):
        return context.make_tuple(builder, call.return_type, result)
    if isinstance(call.return_type, TileType):
        value = ir.Constant(context.get_value_type(call.return_type), ir.Undefined)
        for place, vector in enumerate(result):
            value = builder.insert_value(value, vector, place)
        return value
    return result


class _Memory:
    """A flat array accessed by elements and by vectors."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        self._builder = builder
        made = make_array(array_type)(context, builder, array)
        self._data, self.size = made.data, made.nitems
        self._align = array_type.dtype.bitwidth // 8

    def address(self, offset: Any) -> Any:
        """Return the address of an element."""
        return self._builder.gep(self._data, [offset])

    def _place(self, offset: Any, kind: Any) -> Any:
        return self._builder.bitcast(self.address(offset), kind.as_pointer())

    def read(self, offset: Any, kind: Any = None) -> Any:
        place = self._place(offset, kind) if kind else self.address(offset)
        return self._builder.load(place, align=self._align)

    def write(self, value: Any, offset: Any) -> None:
        self._builder.store(value, self._place(offset, value.type), align=self._align)

    def read_lanes(self, mask: Any, offset: Any, vector: ir.VectorType, others: Any = None) -> Any:
        """Read the lanes in ``mask``; take the other lanes from ``others``, or 0."""
        others = others or ir.Constant(vector, None)
        arguments = [self._place(offset, vector), INT32(self._align), mask, others]
        return intrinsic(self._builder, f"llvm.masked.load.{_suffix(vector)}.p0", vector, arguments)

    def write_lanes(self, mask: Any, value: Any, offset: Any) -> None:
        """Write the lanes in ``mask``."""
        arguments = [value, self._place(offset, value.type), INT32(self._align), mask]
        intrinsic(self._builder, f"llvm.masked.store.{_suffix(value.type)}.p0", ir.VoidType(), arguments)


def _suffix(vector: ir.VectorType) -> str:
    return f"v{vector.count}f{64 if isinstance(vector.element, ir.DoubleType) else 32}"


def intrinsic(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Call an LLVM intrinsic function."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def splat(builder: Any, value: Any, vector: ir.VectorType) -> Any:
    """Return a vector with ``value`` in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, value, INT32(0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(INT32, vector.count), None))


def multiply_add(builder: Any, left: Any, right: Any, total: Any) -> Any:
    """Return left*right + total for vectors, rounded once if the processor has FMA."""
    if not has_fma():
        return builder.fadd(builder.fmul(left, right), total)
    return intrinsic(builder, f"llvm.fma.{_suffix(total.type)}", total.type, [left, right, total])


def once(builder: Any, offset: Any) -> Any:
    """Return an offset through an empty piece of assembly, so that LLVM does not unroll the loop around it.

    For some processors (those of AMD since Zen) LLVM would unroll the loop of a tile's steps, and run out of registers.
    """
    kind = ir.FunctionType(offset.type, [offset.type])
    return builder.call(ir.InlineAsm(kind, "", "=r,0"), [offset])


def shuffled(builder: Any, first: Any, second: Any, lanes: list[int]) -> Any:
    """Select lanes of two vectors; the lanes of the second are numbered after those of the first."""
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(INT32, len(lanes)), lanes))


def _places(builder: Any, rows: list[Any], columns: list[Any]) -> list[Any]:
    """Return rows[i] + columns[j] in the order of a tile's vectors."""
    return [builder.add(row, column) for row in rows for column in columns]


def _masks(builder: Any, tile: TileType, count: Any) -> list[Any]:
    """Return, for every vector, the mask of its lanes among the first ``count`` elements of the row."""
    end = as_wide_as_elements(builder, tile, count)
    masks = []
    for column in range(tile.n):
        numbers = numbers_of(tile, column, end.type)
        masks.append(builder.icmp_signed("<", numbers, splat(builder, end, numbers.type)))
    return masks * tile.m


def as_wide_as_elements(builder: Any, tile: TileType, limit: Any) -> Any:
    """Return a limit for elements of a row as an integer of their width, so that the masks it makes are as wide."""
    if tile.dtype.bitwidth != INT32.width:
        return limit
    for sign, bound in (("<", INT(tile.n * tile.lanes)), (">", INT(-1))):
        limit = builder.select(builder.icmp_signed(sign, limit, bound), limit, bound)
    return builder.trunc(limit, INT32)


def numbers_of(tile: TileType, column: int, kind: Any) -> ir.Constant:
    """Return the numbers of the elements of a vector in its row, as integers of a kind."""
    return ir.Constant(ir.VectorType(kind, tile.lanes), list(range(column * tile.lanes, (column + 1) * tile.lanes)))


def _store_lanes(
    builder: Any, memory: _Memory, count: Any, size: int, vectors: list[Any], places: list[Any], masks: list[Any]
) -> None:
    """Write the lanes of the masks, of the first ``count`` of ``size`` elements; all of them without masks.

    Without AVX-512 a store by a mask takes a dozen clocks and more on some processors.
    """

    def by_masks() -> None:
        for vector, place, mask in zip(vectors, places, masks, strict=True):
            memory.write_lanes(mask, vector, place)

    if register_bytes() == WIDTHS["avx512f"]:
        by_masks()
        return
    with builder.if_else(builder.icmp_signed(">=", count, INT(size))) as (all_of_them, some):
        with all_of_them:
            for vector, place in zip(vectors, places, strict=True):
                memory.write(vector, place)
        with some:
            by_masks()


def _lanes(dtype: Any) -> int:
    return register_bytes() * 8 // int(dtype.bitwidth)


def _is_flat(value: Any) -> bool:
    return isinstance(value, types.Array) and value.ndim == 1 and value.dtype in (types.float32, types.float64)


def _is_offsets(value: Any) -> bool:
    return isinstance(value, types.BaseTuple) and all(isinstance(each, types.Integer) for each in value)


def _tile(rows: Any, columns: Any, array: Any) -> TileType | None:
    """Return the type of the tile addressed by offsets into an array; None if they are not offsets and a flat array."""
    if not (_is_offsets(rows) and _is_offsets(columns) and _is_flat(array)):
        return None
    return TileType(len(rows), len(columns), array.dtype)


def _holds(tile: Any, rows: Any, columns: Any, array: Any) -> bool:
    return isinstance(tile, TileType) and tile == _tile(rows, columns, array)


# ---- definitions, in the order of kernels.simd.tile ---------------------------------------------------------------------


def lanes(array: Any) -> Definition:
    """See kernels.simd.tile."""
    if not isinstance(array, types.Array):
        return None
    return types.intp(array), lambda _builder, _array: INT(_lanes(array.dtype))


def steps(count: Any, start: Any, step: Any) -> Definition:
    """See kernels.simd.tile."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    size = count.literal_value

    def body(builder: Any, _count: Any, start: Any, step: Any) -> list[Any]:
        return [builder.add(start, builder.mul(step, INT(number))) for number in range(size)]

    return types.UniTuple(types.intp, size)(count, types.intp, types.intp), body


def steps_to(count: Any, start: Any, step: Any, last: Any) -> Definition:
    """See kernels.simd.tile."""
    made = steps(count, start, step)
    if made is None:
        return None
    call, all_steps = made

    def body(builder: Any, count: Any, start: Any, step: Any, last: Any) -> list[Any]:
        values = all_steps(builder, count, start, step)
        return [builder.select(builder.icmp_signed("<", value, last), value, last) for value in values]

    return call.return_type(*call.args, types.intp), body


def lane_steps(like: Any, start: Any, step: Any, last: Any) -> Definition:
    """See kernels.simd.tile."""
    if not isinstance(like, types.Array):
        return None
    made = steps_to(types.literal(_lanes(like.dtype)), start, step, last)
    if made is None:
        return None
    call, body = made
    return call.return_type(like, *call.args[1:]), body


def listed(count: Any, table: Any, first: Any) -> Definition:
    """See kernels.simd.tile."""
    if not (isinstance(count, types.IntegerLiteral) and isinstance(table, types.Array) and table.dtype == types.int64):
        return None
    size = count.literal_value

    def body(builder: Any, _count: Any, memory: _Memory, first: Any) -> list[Any]:
        last = builder.sub(memory.size, INT(1))
        places = [builder.add(first, INT(number)) for number in range(size)]
        return [memory.read(builder.select(builder.icmp_signed("<", place, last), place, last)) for place in places]

    return types.UniTuple(types.intp, size)(count, table, types.intp), body


def zeros(rows: Any, columns: Any, like: Any) -> Definition:
    """See kernels.simd.tile."""
    if not (_is_offsets(rows) and _is_offsets(columns) and isinstance(like, types.Array)):
        return None
    tile = TileType(len(rows), len(columns), like.dtype)
    return tile(rows, columns, like), lambda *_: [ir.Constant(tile.vector, None)] * (tile.m * tile.n)


def spread(array: Any, rows: Any, columns: Any) -> Definition:
    """See kernels.simd.tile."""
    if (tile := _tile(rows, columns, array)) is None:
        return None

    def body(builder: Any, memory: _Memory, rows: list[Any], columns: list[Any]) -> list[Any]:
        return [splat(builder, memory.read(row), tile.vector) for row in rows for _ in columns]

    return tile(array, rows, columns), body


def load(array: Any, rows: Any, columns: Any) -> Definition:
    """See kernels.simd.tile."""
    if (tile := _tile(rows, columns, array)) is None:
        return None

    def body(builder: Any, memory: _Memory, rows: list[Any], columns: list[Any]) -> list[Any]:
        return [memory.read(place, tile.vector) for place in _places(builder, rows, columns)]

    return tile(array, rows, columns), body


def load_first(array: Any, rows: Any, columns: Any, count: Any) -> Definition:
    """See kernels.simd.tile."""
    if (tile := _tile(rows, columns, array)) is None:
        return None

    def body(builder: Any, memory: _Memory, rows: list[Any], columns: list[Any], count: Any) -> list[Any]:
        places, masks = _places(builder, rows, columns), _masks(builder, tile, count)
        return [memory.read_lanes(mask, place, tile.vector) for mask, place in zip(masks, places, strict=True)]

    return tile(array, rows, columns, types.intp), body


def store(tile: Any, array: Any, rows: Any, columns: Any) -> Definition:
    """See kernels.simd.tile."""
    if not _holds(tile, rows, columns, array):
        return None

    def body(builder: Any, vectors: list[Any], memory: _Memory, rows: list[Any], columns: list[Any]) -> None:
        for vector, place in zip(vectors, _places(builder, rows, columns), strict=True):
            memory.write(vector, place)

    return types.void(tile, array, rows, columns), body


def store_first(tile: Any, array: Any, rows: Any, columns: Any, count: Any) -> Definition:
    """See kernels.simd.tile."""
    if not _holds(tile, rows, columns, array):
        return None

    def body(
        builder: Any, vectors: list[Any], memory: _Memory, rows: list[Any], columns: list[Any], count: Any
    ) -> None:
        places, masks = _places(builder, rows, columns), _masks(builder, tile, count)
        _store_lanes(builder, memory, count, tile.n * tile.lanes, vectors, places, masks)

    return types.void(tile, array, rows, columns, types.intp), body


def store_each(tile: Any, array: Any, rows: Any, columns: Any, count: Any) -> Definition:
    """See kernels.simd.tile."""
    if not _holds(tile, rows, columns, array):
        return None

    def body(
        builder: Any, vectors: list[Any], memory: _Memory, rows: list[Any], columns: list[Any], count: Any
    ) -> None:
        masks = _masks(builder, tile, count)[:1] * len(vectors)
        _store_lanes(builder, memory, count, tile.lanes, vectors, _places(builder, rows, columns), masks)

    return types.void(tile, array, rows, columns, types.intp), body


def store_even(tile: Any, array: Any, rows: Any, columns: Any, count: Any) -> Definition:
    """See kernels.simd.tile."""
    if not _holds(tile, rows, columns, array):
        return None
    size = tile.lanes

    def body(
        builder: Any, vectors: list[Any], memory: _Memory, rows: list[Any], columns: list[Any], count: Any
    ) -> None:
        places = ir.Constant(
            ir.VectorType(INT32, 2 * size), [place if place % 2 == 0 else 2**30 for place in range(2 * size)]
        )
        limit = builder.trunc(builder.add(count, count), INT32)
        mask = builder.icmp_signed("<", places, splat(builder, limit, places.type))
        for vector, place in zip(vectors, _places(builder, rows, columns), strict=True):
            memory.write_lanes(
                mask, shuffled(builder, vector, vector, [place // 2 for place in range(2 * size)]), place
            )

    return types.void(tile, array, rows, columns, types.intp), body


def _product(tile: Any, left: Any, rows: Any, right: Any, columns: Any, factor: Callable[..., Any]) -> Definition:
    """Define outer and inner, which differ in the ``factor`` that they read from ``left`` at an offset."""
    if not (_holds(tile, rows, columns, right) and _is_flat(left) and left.dtype == right.dtype):
        return None

    def body(
        builder: Any, vectors: list[Any], left: _Memory, rows: Any, k: Any, right: _Memory, columns: Any, m: Any
    ) -> list[Any]:
        m = once(builder, m)
        across = [right.read(builder.add(column, m), tile.vector) for column in columns]
        totals = iter(vectors)
        sums = []
        for row in rows:
            own = factor(builder, left, builder.add(row, k))
            sums += [multiply_add(builder, own, other, next(totals)) for other in across]
        return sums

    return tile(tile, left, rows, types.intp, right, columns, types.intp), body


def outer(tile: Any, left: Any, rows: Any, k: Any, right: Any, columns: Any, m: Any) -> Definition:
    """See kernels.simd.tile."""
    return _product(
        tile, left, rows, right, columns, lambda builder, memory, place: splat(builder, memory.read(place), tile.vector)
    )


def sweep(tile: Any, segment: Any, left: Any, k: Any, pitch: Any, right: Any, m: Any) -> Definition:
    """See kernels.simd.tile."""
    if not (isinstance(tile, TileType) and isinstance(segment, types.IntegerLiteral)):
        return None
    if not (_is_flat(left) and _is_flat(right) and left.dtype == right.dtype == tile.dtype):
        return None
    size = segment.literal_value

    def body(
        builder: Any, vectors: list[Any], _segment: Any, left: _Memory, k: Any, pitch: Any, right: _Memory, m: Any
    ) -> list[Any]:
        m = once(builder, m)
        across = [right.read(builder.add(m, INT(j * tile.lanes)), tile.vector) for j in range(tile.n)]
        totals = iter(vectors)
        sums = []
        for i in range(tile.m):
            place = builder.add(builder.add(k, builder.mul(pitch, INT(i // size))), INT(i % size))
            own = splat(builder, left.read(place), tile.vector)
            sums += [multiply_add(builder, own, other, next(totals)) for other in across]
        return sums

    return tile(tile, segment, left, types.intp, types.intp, right, types.intp), body


def inner(tile: Any, left: Any, rows: Any, k: Any, right: Any, columns: Any, m: Any) -> Definition:
    """See kernels.simd.tile."""
    return _product(tile, left, rows, right, columns, lambda _, memory, place: memory.read(place, tile.vector))


def slide(tile: Any, left: Any, k: Any, window: Any, first: Any) -> Definition:
    """See kernels.simd.tile."""
    if not (isinstance(tile, TileType) and _is_flat(left) and left.dtype == tile.dtype):
        return None
    if not (isinstance(first, types.IntegerLiteral) and isinstance(window, TileType) and window.dtype == tile.dtype):
        return None
    if window.n != tile.n or window.m < first.literal_value + tile.m:
        return None
    start = first.literal_value * tile.n

    def body(builder: Any, vectors: list[Any], left: _Memory, k: Any, window: list[Any], _first: Any) -> list[Any]:
        factor = splat(builder, left.read(k), tile.vector)
        return [
            multiply_add(builder, factor, other, total) for other, total in zip(window[start:], vectors, strict=False)
        ]

    return tile(tile, left, types.intp, window, first), body


def inner_first(tile: Any, left: Any, rows: Any, k: Any, right: Any, columns: Any, m: Any, count: Any) -> Definition:
    """See kernels.simd.tile."""
    if not (_holds(tile, rows, columns, right) and _is_flat(left) and left.dtype == right.dtype):
        return None

    def body(
        builder: Any,
        vectors: list[Any],
        left: _Memory,
        rows: Any,
        k: Any,
        right: _Memory,
        columns: Any,
        m: Any,
        count: Any,
    ) -> list[Any]:
        mask = _masks(builder, tile, count)[0]
        across = [right.read_lanes(mask, builder.add(column, m), tile.vector) for column in columns]
        totals = iter(vectors)
        sums = []
        for row in rows:
            own = left.read_lanes(mask, builder.add(row, k), tile.vector)
            sums += [multiply_add(builder, own, other, next(totals)) for other in across]
        return sums

    return tile(tile, left, rows, types.intp, right, columns, types.intp, types.intp), body


def store_sums(tile: Any, array: Any, first: Any) -> Definition:
    """See kernels.simd.tile."""
    if not (isinstance(tile, TileType) and _is_flat(array) and array.dtype == tile.dtype):
        return None

    def body(builder: Any, vectors: list[Any], memory: _Memory, first: Any) -> None:
        for start in range(0, len(vectors), tile.lanes):
            chunk = vectors[start : start + tile.lanes]
            sums = _folded(builder, chunk)
            if len(chunk) == sums.type.count:
                memory.write(sums, builder.add(first, INT(start)))
                continue
            for place in range(len(chunk)):
                memory.write(builder.extract_element(sums, INT32(place)), builder.add(first, INT(start + place)))

    return types.void(tile, array, types.intp), body


def _folded(builder: Any, vectors: list[Any]) -> Any:
    """Return the lane sums of at most as many vectors as a vector has lanes: one element each, in order.

    Each round adds the upper halves to the lower ones, for two vectors at a time while there are two, so that a vector
    holds the halves of more and more of them.
    """
    size = vectors[0].type.count
    while size > 1:
        half = size // 2
        if len(vectors) % 2 and len(vectors) > 1:
            vectors = [*vectors, vectors[-1]]
        pairs = list(zip(vectors[::2], vectors[1::2], strict=True)) if len(vectors) > 1 else [(vectors[0], vectors[0])]
        merged = len(vectors) > 1
        vectors = []
        for first, second in pairs:
            count = first.type.count * (2 if merged else 1)
            low = [start + lane for start in range(0, count, size) for lane in range(half)]
            high = [lane + half for lane in low]
            vectors.append(builder.fadd(shuffled(builder, first, second, low), shuffled(builder, first, second, high)))
        size = half
    return vectors[0]


def add_sums(tile: Any, array: Any, rows: Any, columns: Any) -> Definition:
    """See kernels.simd.tile."""
    if not _holds(tile, rows, columns, array):
        return None

    def body(builder: Any, vectors: list[Any], memory: _Memory, rows: list[Any], columns: list[Any]) -> None:
        for vector, place in zip(vectors, _places(builder, rows, columns), strict=True):
            while vector.type.count > 1:  # add the upper half to the lower
                half = vector.type.count // 2
                low = shuffled(builder, vector, vector, list(range(half)))
                vector = builder.fadd(low, shuffled(builder, vector, vector, list(range(half, 2 * half))))
            memory.write(builder.fadd(memory.read(place), builder.extract_element(vector, INT32(0))), place)

    return types.void(tile, array, rows, columns), body


def add(tile: Any, other: Any) -> Definition:
    """See kernels.simd.tile."""
    if not isinstance(tile, TileType) or tile != other:
        return None
    return tile(tile, other), lambda builder, left, right: list(map(builder.fadd, left, right))


def scale(tile: Any, factor: Any) -> Definition:
    """See kernels.simd.tile."""
    if not isinstance(tile, TileType):
        return None

    def body(builder: Any, vectors: list[Any], factor: Any) -> list[Any]:
        factors = splat(builder, factor, tile.vector)
        return [builder.fmul(vector, factors) for vector in vectors]

    return tile(tile, tile.dtype), body


def positive(tile: Any) -> Definition:
    """See kernels.simd.tile."""
    if not isinstance(tile, TileType):
        return None

    def body(builder: Any, vectors: list[Any]) -> list[Any]:
        zero = ir.Constant(tile.vector, None)
        return [builder.select(builder.fcmp_ordered("<=", vector, zero), zero, vector) for vector in vectors]

    return tile(tile), body


def transpose(tile: Any) -> Definition:
    """See kernels.simd.tile."""
    if not isinstance(tile, TileType) or tile.m != tile.lanes or tile.n != 1:
        return None

    def body(builder: Any, vectors: list[Any]) -> list[Any]:
        vectors = list(vectors)
        half = tile.lanes // 2
        while half:  # exchange the off-diagonal blocks of smaller and smaller squares: halves, quarters, ... elements
            low = [lane + (tile.lanes - half if lane & half else 0) for lane in range(tile.lanes)]
            high = [lane + (tile.lanes if lane & half else half) for lane in range(tile.lanes)]
            for row in range(tile.lanes):
                if not row & half:
                    upper, lower = vectors[row], vectors[row + half]
                    vectors[row] = shuffled(builder, upper, lower, low)
                    vectors[row + half] = shuffled(builder, upper, lower, high)
            half //= 2
        return vectors

    return tile(tile), body
