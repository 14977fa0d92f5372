"""``cuda.shared.array``, ``cuda.local.array`` and ``cuda.const.array_like``."""

from math import gcd, prod
from typing import Any

from numba import types
from numba.extending import intrinsic

from workbench.numba_internals.errors import TypingError
from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import arrayobj, cgutils
from workbench.numba_internals.type_inference import parse_dtype
from workbench.sim.common import facts, naming, sites
from workbench.sim.common.fields import dtype_of, granularity
from workbench.sim.common.generating import INT64, call_runtime, constant, load_state, state_address
from workbench.sim.runtime import layout as at

LARGEST_LOCAL = 128 << 10
"""The most bytes of a local array, which is on its fiber's stack."""

POINTER = 8
"""Bytes of an address, the smallest alignment that can be requested."""


def _shape(shape: Any) -> tuple[int, ...]:
    parts = list(shape) if isinstance(shape, types.BaseTuple) else [shape]
    if not all(isinstance(each, types.IntegerLiteral) for each in parts):
        raise TypingError("the shape of a shared or local array must be constant: write numbers or global names")
    return tuple(int(each.literal_value) for each in parts)


def _dtype(dtype: Any) -> Any:
    kind = parse_dtype(dtype)
    if kind is None:
        raise TypingError(f"{dtype} is not a valid element type; write numba.float32 or np.float32")
    return kind


def _alignment(alignment: Any) -> int:
    """Return an alignment in bytes, 0 if none is given."""
    if alignment is None or isinstance(alignment, types.NoneType):
        return 0
    bytes_ = getattr(alignment, "literal_value", 0)
    if bytes_ < POINTER or bytes_ & (bytes_ - 1):
        raise TypingError(
            f"the alignment of an array must be a constant power of two, {POINTER} or more, not {alignment}"
        )
    return int(bytes_)


def _build(context: Any, builder: Any, kind: Any, data: Any, shape: list[Any], parent: Any) -> Any:
    array = arrayobj.make_array(kind)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    strides: list[Any] = []
    stride = constant(size)
    for length in reversed(shape):
        strides.insert(0, stride)
        stride = builder.mul(stride, length)
    arrayobj.populate_array(
        array,
        data=builder.bitcast(data, array.data.type),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=constant(size),
        meminfo=None,
        parent=builder.inttoptr(parent, array.parent.type),
    )
    return array._getvalue()


@intrinsic(prefer_literal=True)
def shared_array(_context: Any, shape: Any, dtype: Any, alignment: Any = None) -> Any:
    """Return the block's array for this call; with length 0, all of the dynamic shared memory."""
    lengths, element = _shape(shape), _dtype(dtype)
    kind = types.Array(element, len(lengths), "C")
    _alignment(alignment)
    is_dynamic = lengths == (0,)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size = context.get_abi_sizeof(context.get_data_type(element))
        name = next((each for _, each in reversed(naming.lowered) if each), "")
        dtype = dtype_of(element, size)
        declaration = sites.Declaration(name=name, shape=() if is_dynamic else lengths, dtype=dtype)
        number, unit = sites.DECLARATIONS.new(declaration), gcd(8, granularity(dtype))
        known = facts.of(naming.lowered[-1][0])
        known.makes_arrays = True
        known.declarations.add(number)
        if is_dynamic:
            known.by_bytes |= unit < 4
            number = at.DYNAMIC
        shift = unit.bit_length() - 1
        region = call_runtime(
            builder, "shared_array", constant(number), constant(size * prod(lengths)), constant(shift)
        )
        base = builder.load(builder.inttoptr(region, INT64.as_pointer()))
        extent = [constant(length) for length in lengths]
        if is_dynamic:
            extent = [builder.udiv(load_state(builder, at.DYNAMIC_BYTES), constant(size))]
        return _build(context, builder, kind, builder.inttoptr(base, cgutils.voidptr_t), extent, region)

    return kind(shape, dtype, types.none if alignment is None else alignment), generate


@intrinsic(prefer_literal=True)
def local_array(_context: Any, shape: Any, dtype: Any, alignment: Any = None) -> Any:
    """Return a thread-local array, filled with NaN or -1; on a GPU it is uninitialised."""
    lengths, element = _shape(shape), _dtype(dtype)
    kind = types.Array(element, len(lengths), "C")
    aligned = max(16, _alignment(alignment))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bytes_ = context.get_abi_sizeof(context.get_data_type(element)) * prod(lengths)
        if bytes_ > LARGEST_LOCAL:
            raise TypingError(f"a local array of {bytes_} bytes exceeds the simulator's limit of {LARGEST_LOCAL}")
        with builder.goto_entry_block():
            data = builder.alloca(ir.ArrayType(ir.IntType(8), bytes_))
            data.align = aligned
        place = builder.bitcast(data, cgutils.voidptr_t)
        cgutils.memset(builder, place, constant(bytes_), 0xFF)
        facts.of(naming.lowered[-1][0]).makes_arrays = True
        shadow = builder.add(builder.ptrtoint(place, INT64), load_state(builder, at.LOCAL_SHADOW))
        cgutils.memset(builder, builder.inttoptr(shadow, cgutils.voidptr_t), constant(bytes_), 0)
        region = state_address(builder, at.LOCAL_REGION)
        return _build(context, builder, kind, place, [constant(length) for length in lengths], region)

    return kind(shape, dtype, types.none if alignment is None else alignment), generate


@intrinsic
def const_array_like(_context: Any, array: Any) -> Any:
    """Return the array that initialises constant memory."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0]

    return array(array), generate
