"""Generate code that reads arrays, records, numbers and tuples of them from consecutive 64-bit words."""

from typing import Any

from numba import types
from numpy.typing import NDArray

from workbench.numba_internals.errors import NumbaError
from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import arrayobj, cgutils
from workbench.numba_internals.type_inference import from_dtype


def array_type(array: NDArray[Any]) -> Any:
    """Return the Numba type of an array.

    Raises
    ------
    TypeError
        Kernels do not support the type of its elements.
    """
    try:
        element = from_dtype(array.dtype)
    except (NumbaError, NotImplementedError):
        raise TypeError(f"arrays of {array.dtype} cannot be simulated; convert them to a numeric type") from None
    layout: Any = "C" if array.flags.c_contiguous else "A"
    return types.Array(element, array.ndim, layout, readonly=not array.flags.writeable)


class WordReader:
    """Reads consecutive 64-bit words."""

    def __init__(self, builder: Any, address: Any) -> None:
        self._builder, self._address, self._count = builder, address, 0

    def next(self, kind: Any = None) -> Any:
        """Read the next word, as a value of an LLVM type."""
        kind = kind or ir.IntType(64)
        place = self._builder.add(self._address, ir.Constant(ir.IntType(64), 8 * self._count))
        self._count += max(1, -(-_bytes(kind) // 8))
        return self._builder.load(self._builder.inttoptr(place, kind.as_pointer()), align=1)


def _bytes(kind: Any) -> int:
    if isinstance(kind, ir.IntType):
        return max(1, int(kind.width) // 8)
    if isinstance(kind, ir.LiteralStructType):
        return sum(_bytes(each) for each in kind.elements)
    return 4 if isinstance(kind, ir.FloatType) else 8


def read_value(context: Any, builder: Any, kind: Any, words: WordReader) -> Any:
    """Read a value of a Numba type."""
    kind = kind.dtype if isinstance(kind, types.EnumMember) else kind
    if isinstance(kind, types.Array):
        array = arrayobj.make_array(kind)(context, builder)
        parent, data = words.next(), words.next()
        shape = [words.next() for _ in range(kind.ndim)]
        strides = [words.next() for _ in range(kind.ndim)]
        arrayobj.populate_array(
            array,
            data=builder.inttoptr(data, array.data.type),
            shape=cgutils.pack_array(builder, shape, ty=ir.IntType(64)),
            strides=cgutils.pack_array(builder, strides, ty=ir.IntType(64)),
            itemsize=context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype))),
            meminfo=None,
            parent=builder.inttoptr(parent, array.parent.type),
        )
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        return context.make_tuple(builder, kind, [read_value(context, builder, each, words) for each in kind])
    if isinstance(kind, types.Record):
        return builder.inttoptr(words.next(), context.get_value_type(kind))
    if kind == types.none:
        return context.get_dummy_value()
    word = words.next(context.get_data_type(kind))
    return context.data_model_manager[kind].from_data(builder, word)
