"""Generate code that simulated kernels share: the state, runtime calls, checked and recorded accesses to arrays."""

from dataclasses import dataclass
from typing import Any

from numba import types

from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import arrayobj, cgutils
from workbench.sim.common import places, sites
from workbench.sim.common.fields import dtype_of, spans
from workbench.sim.common.region_lookup import region_at
from workbench.sim.runtime import layout as at
from workbench.sim.runtime.symbols import place_of, symbol

INT64 = ir.IntType(64)


def constant(value: int) -> Any:
    """Return a 64-bit constant."""
    return ir.Constant(INT64, value)


def load_state(builder: Any, word: int) -> Any:
    """Load a word of the state."""
    return builder.load(_state(builder, word), align=8)


def store_state(builder: Any, word: int, value: Any) -> None:
    """Store a word of the state."""
    builder.store(value, _state(builder, word), align=8)


def state_address(builder: Any, word: int) -> Any:
    """Return the address of a word of the state."""
    return builder.ptrtoint(_state(builder, word), INT64)


def _state(builder: Any, word: int) -> Any:
    return builder.gep(place_of(builder, "state", at.STATE_WORDS), [constant(0), constant(word)], inbounds=True)


def call_runtime(builder: Any, name: str, *arguments: Any) -> Any:
    """Call a function of the runtime with the state and further 64-bit words."""
    returns = INT64 if name in ("barrier", "warp_operation", "active_mask", "shared_array") else ir.VoidType()
    kind = ir.FunctionType(returns, [INT64] * (1 + len(arguments)))
    function = cgutils.get_or_insert_function(builder.module, kind, symbol(name))
    return builder.call(function, [state_address(builder, 0), *arguments])


def guard_stack(builder: Any) -> None:
    """End the launch if the running thread's stack is used up."""
    with builder.if_then(
        builder.icmp_unsigned("<", _frame(builder), load_state(builder, at.STACK_LIMIT)), likely=False
    ):
        call_runtime(builder, "overflow")


def _frame(builder: Any) -> Any:
    """Return the address of the function's frame, above its local arrays."""
    kind = ir.FunctionType(ir.IntType(8).as_pointer(), [ir.IntType(32)])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.frameaddress.p0")
    return builder.ptrtoint(builder.call(function, [ir.Constant(ir.IntType(32), 0)]), INT64)


def has_arrays(kind: Any) -> bool:
    """Return whether values of a type hold arrays, which refer to memory."""
    return isinstance(kind, types.Array) or (isinstance(kind, types.BaseTuple) and any(map(has_arrays, kind)))


def check_outlives(context: Any, builder: Any, kind: Any, value: Any) -> None:
    """End the launch if a value that the function returns holds an array in the function's own frame."""
    if isinstance(kind, types.BaseTuple):
        for part, each in zip(kind, cgutils.unpack_tuple(builder, value), strict=True):
            check_outlives(context, builder, part, each)
    elif isinstance(kind, types.Array):
        place = builder.ptrtoint(arrayobj.make_array(kind)(context, builder, value).data, INT64)
        lowest = builder.sub(load_state(builder, at.STACK_LIMIT), constant(at.SPARE_BYTES))
        above, below = builder.icmp_unsigned(">=", place, lowest), builder.icmp_unsigned("<", place, _frame(builder))
        with builder.if_then(builder.and_(above, below), likely=False):
            call_runtime(builder, "dangling")


def indices_of(context: Any, builder: Any, index_type: Any, index: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the types of an index's parts, and the parts as 64-bit words; None unless all are integers."""
    kinds = list(index_type) if isinstance(index_type, types.BaseTuple) else [index_type]
    if not all(isinstance(each, types.Integer) for each in kinds):
        return None
    parts = cgutils.unpack_tuple(builder, index) if isinstance(index_type, types.BaseTuple) else [index]
    wide = [types.intp if each.signed else types.uintp for each in kinds]
    return kinds, [context.cast(builder, part, kind, to) for part, kind, to in zip(parts, kinds, wide, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Indices:
    """The indices of one access.

    Attributes
    ----------
    words : the indices, as 64-bit words
    constants : their values where the source has constants, else None
    """

    words: list[Any]
    constants: list[int | None]


def element(context: Any, builder: Any, array_type: Any, array: Any, indices: Indices, name: str, kind: int) -> Any:
    """Return the address of an element; end the launch if its indices are outside the array."""
    view = arrayobj.make_array(array_type)(context, builder, array)
    lengths = cgutils.unpack_tuple(builder, view.shape, array_type.ndim)
    words = check_inside(builder, view.parent, indices, lengths, name, kind)
    return cgutils.get_item_pointer(context, builder, array_type, view, words, wraparound=False)


def check_inside(builder: Any, parent: Any, indices: Indices, lengths: list[Any], name: str, kind: int) -> list[Any]:
    """End the launch if an index is outside its axis; return the indices from the start of each axis.

    Negative constants count from the end of an axis, as on a GPU. Whether other negative indices may do so is a setting,
    which the runtime looks up.
    """
    given, slots, outside = [], [], ir.Constant(ir.IntType(1), 0)
    for word, known, length in zip(indices.words, indices.constants, lengths, strict=True):
        place = word
        if known is not None and known < 0:
            place = builder.add(word, length)
            word = builder.select(builder.icmp_signed("<", place, constant(0)), word, place)
        given.append(word)
        slots.append(cgutils.alloca_once_value(builder, place))
        outside = builder.or_(outside, builder.icmp_unsigned(">=", place, length))
    with builder.if_then(outside, likely=False):
        axes = cgutils.alloca_once(builder, INT64, size=max(1, 2 * len(given)))
        for place, value in enumerate([*given, *lengths]):
            builder.store(value, builder.gep(axes, [constant(place)]))
        region = builder.ptrtoint(parent, INT64)
        number = constant(sites.NAMES.number_of(name))
        count = constant(len(given))
        call_runtime(builder, "outside", region, number, constant(kind), count, builder.ptrtoint(axes, INT64))
        for place, slot in enumerate(slots):
            builder.store(builder.load(builder.gep(axes, [constant(place)])), slot)
    return [builder.load(slot) for slot in slots]


def note_access(
    context: Any, builder: Any, array_type: Any, array: Any, place: Any, kind: Any, *, aligned: bool = True
) -> None:
    """Report an access to an element to the runtime, and whether it must be aligned."""
    if array_type.ndim == 0:  # np.nditer makes such arrays, without a region
        note_place(context, builder, array_type.dtype, place, kind)
        return
    view = arrayobj.make_array(array_type)(context, builder, array)
    kind = constant(kind) if isinstance(kind, int) else kind
    if aligned and array_type.aligned:
        kind = builder.or_(kind, constant(_alignment(context, array_type.dtype).bit_length() - 1 << at.ALIGNMENT))
    _note(context, builder, array_type.dtype, builder.ptrtoint(view.parent, INT64), place, kind)


def _alignment(context: Any, value_type: Any) -> int:
    """Return the number of which the addresses of a type's values must be multiples on a GPU; 1 for records."""
    size = context.get_abi_sizeof(context.get_data_type(value_type))
    if isinstance(value_type, types.Complex):
        return int(size // 2)
    return int(size) if size in (2, 4, 8) and not isinstance(value_type, types.Record | types.NestedArray) else 1


def note_place(context: Any, builder: Any, value_type: Any, place: Any, kind: Any) -> None:
    """Report an access to a value in memory, of which only the address is known, to the runtime."""
    region = region_at(context, builder, builder.ptrtoint(place, INT64))
    _note(context, builder, value_type, region, place, kind)


def _note(context: Any, builder: Any, value_type: Any, region: Any, place: Any, kind: Any) -> None:
    """Report an access to the runtime; for a record, to each of its fields."""
    address = builder.ptrtoint(place, INT64)
    kind = builder.or_(constant(kind) if isinstance(kind, int) else kind, constant(places.next_access(builder)))
    size = context.get_abi_sizeof(context.get_data_type(value_type))
    composed = isinstance(value_type, types.Record | types.NestedArray)
    for offset, count in spans(dtype_of(value_type, size)) if composed else ((0, size),):
        start = builder.add(address, constant(offset)) if offset else address
        call_runtime(builder, "access", region, start, constant(count), kind)


def note_piece(builder: Any, array_type: Any, view: Any, offset: Any, count: int, kind: int) -> None:
    """Report an access to neighbouring elements of a flat array, aligned to their size, to the runtime.

    Parameters
    ----------
    view : the array, taken apart
    offset : the first element
    count : how many; a power of two
    """
    size = count * array_type.dtype.bitwidth // 8
    address = builder.ptrtoint(builder.gep(view.data, [offset]), INT64)
    flags = constant(kind | size.bit_length() - 1 << at.ALIGNMENT | places.next_access(builder))
    call_runtime(builder, "access", builder.ptrtoint(view.parent, INT64), address, constant(size), flags)


def with_region(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Return an array with its region, looked up if the array was made without one."""
    view = arrayobj.make_array(array_type)(context, builder, array)
    region = region_at(context, builder, builder.ptrtoint(view.data, INT64))
    view.parent = builder.inttoptr(region, view.parent.type)
    return view._getvalue()


def note_progress(builder: Any, same: Any) -> None:
    """Report a change of memory to the runtime as progress, unless the flag SAME is set."""
    idle = builder.select(builder.icmp_unsigned("==", same, constant(0)), constant(0), load_state(builder, at.IDLE))
    store_state(builder, at.IDLE, idle)


def stop_when_asked(builder: Any) -> None:
    """End the launch if a stop was requested: for loops that touch no memory."""
    asked = builder.icmp_unsigned("!=", load_state(builder, at.STOPPED), constant(0))
    with builder.if_then(asked, likely=False):
        call_runtime(builder, "give_up")


def note_view(context: Any, builder: Any, array_type: Any, array: Any, kind: int) -> None:
    """Report an access to every element of a view to the runtime."""
    view = arrayobj.make_array(array_type)(context, builder, array)
    lengths = cgutils.unpack_tuple(builder, view.shape, array_type.ndim)
    with cgutils.loop_nest(builder, lengths, INT64) as indices:
        place = cgutils.get_item_pointer(context, builder, array_type, view, indices, wraparound=False)
        note_access(context, builder, array_type, array, place, kind)


def same_bits(context: Any, builder: Any, array_type: Any, place: Any, value: Any) -> Any:
    """Return the flag SAME if an element already holds the number to be written, else 0."""
    return unchanged(context, builder, array_type.dtype, place, value)


def unchanged(context: Any, builder: Any, value_type: Any, place: Any, value: Any) -> Any:
    """Return the same for a value of a given type."""
    kind = context.get_data_type(value_type)
    if isinstance(kind, ir.FloatType | ir.DoubleType | ir.IntType):
        word = kind if isinstance(kind, ir.IntType) else ir.IntType(32 if isinstance(kind, ir.FloatType) else 64)
        new = context.data_model_manager[value_type].as_data(builder, value)
        old = builder.load(builder.bitcast(place, word.as_pointer()), align=1)
        equal = builder.icmp_unsigned("==", old, builder.bitcast(new, word))
        return builder.select(equal, constant(at.SAME), constant(0))
    return constant(0)
