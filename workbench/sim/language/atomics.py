"""Atomic operations, and loads and stores with cache hints."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from workbench.numba_internals.errors import TypingError
from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import cgutils
from workbench.sim.common.generating import Indices, element, indices_of, note_access, note_progress, same_bits
from workbench.sim.runtime import layout as at

_NUMBERS = (types.float32, types.float64, types.int32, types.int64, types.uint32, types.uint64)
_INTEGERS = (types.int32, types.int64, types.uint32, types.uint64)
_UNSIGNED = (types.uint32, types.uint64)
_ZERO, _ONE = np.uint64(0), np.uint64(1)


@intrinsic(prefer_literal=True)
def _locate(_context: Any, array: Any, index: Any, kind: Any) -> Any:
    """Check an index, record the access, and return the element's address."""
    access = kind.literal_value
    whole = types.unliteral(index)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = indices_of(context, builder, *_as_integers(context, builder, whole, arguments[1]))
        if found is None or len(found[1]) != array.ndim:
            raise TypingError(
                f"an atomic operation on an array of {array.ndim} dimensions cannot have the index {index}"
            )
        indices = Indices(words=found[1], constants=[None] * array.ndim)
        place = element(context, builder, array, arguments[0], indices, "", access)
        note_access(context, builder, array, arguments[0], place, access)
        return builder.ptrtoint(place, ir.IntType(64))

    return types.int64(array, whole, kind), generate


def _as_integers(context: Any, builder: Any, kind: Any, index: Any) -> tuple[Any, Any]:
    """Return an index's type and value; floats (as from ``uint64 % int64``) are truncated, as numba-cuda accepts them."""
    kinds = list(kind) if isinstance(kind, types.BaseTuple) else [kind]
    if not any(isinstance(each, types.Float) for each in kinds):
        return kind, index
    parts = cgutils.unpack_tuple(builder, index) if isinstance(kind, types.BaseTuple) else [index]
    to = types.UniTuple(types.intp, len(kinds))
    cut = [context.cast(builder, part, each, types.intp) for part, each in zip(parts, kinds, strict=True)]
    return to, context.make_tuple(builder, to, cut)


@intrinsic
def _read(_context: Any, array: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[1], context.get_data_type(array.dtype).as_pointer())
        return context.unpack_value(builder, array.dtype, place)

    return array.dtype(array, types.int64), generate


@intrinsic
def _write(_context: Any, array: Any, address: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[1], context.get_data_type(array.dtype).as_pointer())
        note_progress(builder, same_bits(context, builder, array, place, arguments[2]))
        context.pack_value(builder, array.dtype, arguments[2], place)
        return context.get_dummy_value()

    return types.none(array, types.int64, array.dtype), generate


@intrinsic
def _cast(_context: Any, array: Any, value: Any) -> Any:
    """Convert a value to the type of an array's elements."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[1], signature.args[1], array.dtype)

    return array.dtype(array, types.unliteral(value)), generate


def _require(name: str, array: Any, allowed: tuple[Any, ...]) -> None:
    if not isinstance(array, types.Array) or array.dtype not in allowed:
        kinds = ", ".join(map(str, allowed))
        raise TypingError(f"cuda.atomic.{name} is for arrays of {kinds}, not {getattr(array, 'dtype', array)}")


def _atomic(
    name: str, allowed: tuple[Any, ...], update: Callable[[Any, Any], Any], kind: int = at.UPDATES
) -> Callable[..., None]:
    """Make an atomic operation, which returns the old value, from a function of the old and the given value."""
    from workbench.sim.language.helpers import helper

    compiled = helper(update)

    def function(array: Any, index: Any, value: Any) -> None:
        """Stands for the operation in the kernels' namespace."""

    @overload(function, strict=False)
    def implement(array: Any, index: Any, value: Any) -> Any:
        _require(name, array, allowed)

        def run(array: Any, index: Any, value: Any) -> Any:
            given = _cast(array, value)
            place = _locate(array, index, kind)
            old = _read(array, place)
            _write(array, place, _cast(array, compiled(old, given)))
            return old

        return run

    return function


add = _atomic("add", _NUMBERS, lambda old, value: old + value)
sub = _atomic("sub", _NUMBERS, lambda old, value: old - value)
and_ = _atomic("and_", _INTEGERS, lambda old, value: old & value)
or_ = _atomic("or_", _INTEGERS, lambda old, value: old | value)
xor = _atomic("xor", _INTEGERS, lambda old, value: old ^ value)
inc = _atomic("inc", _UNSIGNED, lambda old, value: _ZERO if old >= value else old + _ONE)
dec = _atomic("dec", _UNSIGNED, lambda old, value: value if old == _ZERO or old > value else old - _ONE)
exch = _atomic("exch", _INTEGERS, lambda old, value: value, at.UPDATES | at.FRESH)
max_ = _atomic("max", _NUMBERS, lambda old, value: value if value > old else old)
min_ = _atomic("min", _NUMBERS, lambda old, value: value if value < old else old)
nanmax = _atomic("nanmax", _NUMBERS, lambda old, value: value if value > old or old != old else old)
nanmin = _atomic("nanmin", _NUMBERS, lambda old, value: value if value < old or old != old else old)


def cas(array: Any, index: Any, old: Any, value: Any) -> None:
    """Write ``value`` where the element is ``old``; return the old value."""


@overload(cas, strict=False)
def _overload_cas(array: Any, index: Any, old: Any, value: Any) -> Any:
    _require("cas", array, _INTEGERS)
    look, update = at.VOLATILE_READS | at.COMPARES, at.UPDATES | at.SETTLED

    def run(array: Any, index: Any, old: Any, value: Any) -> Any:
        expected, given = _cast(array, old), _cast(array, value)
        place = _locate(array, index, look)
        found = _read(array, place)
        if found == expected:
            _write(array, _locate(array, index, update), given)
        return found

    return run


def compare_and_swap(array: Any, old: Any, value: Any) -> None:
    """Apply ``cas`` to the first element."""


@overload(compare_and_swap, strict=False)
def _overload_compare_and_swap(array: Any, old: Any, value: Any) -> Any:
    _require("compare_and_swap", array, _INTEGERS)
    if array.ndim != 1:
        raise TypingError(f"cuda.atomic.compare_and_swap needs a 1-D array, not {array.ndim}-D; use cas")
    return lambda array, old, value: cas(array, 0, old, value)


def _load(kind: int) -> Callable[..., None]:
    def function(array: Any, index: Any) -> None:
        """Stands for a load with a cache hint."""

    @overload(function, strict=False)
    def implement(array: Any, index: Any) -> Any:
        return lambda array, index: _read(array, _locate(array, index, kind))

    return function


def _store(kind: int) -> Callable[..., None]:
    def function(array: Any, index: Any, value: Any) -> None:
        """Stands for a store with a cache hint."""

    @overload(function, strict=False)
    def implement(array: Any, index: Any, value: Any) -> Any:
        return lambda array, index, value: _write(array, _locate(array, index, kind), _cast(array, value))

    return function


ldca, ldcg, ldcs, ldlu = (_load(at.READS) for _ in range(4))
ldcv = _load(at.VOLATILE_READS)
stcg, stcs, stwb = (_store(at.WRITES) for _ in range(3))
stwt = _store(at.VOLATILE_WRITES)
