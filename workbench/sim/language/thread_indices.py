"""Indices of a thread: ``threadIdx``, ``blockIdx``, ``blockDim``, ``gridDim``, ``grid``, ``gridsize``, the lane."""

from typing import Any

from numba import types
from numba.extending import (
    intrinsic,
    models,
    overload_attribute,
    register_model,
    typeof_impl,
)

from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import cgutils, lower_constant
from workbench.sim.common.generating import load_state
from workbench.sim.runtime import layout as at


class Triple:
    """Three words of the state, x, y and z."""

    def __init__(self, name: str, first: int) -> None:
        self.name, self.first = name, first


class TripleType(types.Type):  # type: ignore[misc]
    """The Numba type of a triple."""

    def __init__(self, triple: Triple) -> None:
        self.first = triple.first
        super().__init__(name=f"sim.{triple.name}")


register_model(TripleType)(models.OpaqueModel)


@typeof_impl.register(Triple)
def _typeof_triple(value: Triple, _context: Any) -> TripleType:
    return TripleType(value)


@lower_constant(TripleType)
def _lower_triple(context: Any, _builder: Any, _kind: Any, _value: Any) -> Any:
    return context.get_dummy_value()


@intrinsic(prefer_literal=True)
def _word(_context: Any, word: Any) -> Any:
    """Load a word of the state as a 32-bit integer, the GPU's type."""
    number = word.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.trunc(load_state(builder, number), ir.IntType(32))

    return types.int32(word), generate


def _axis(attribute: str, offset: int) -> None:
    @overload_attribute(TripleType, attribute, strict=False)
    def get(triple: TripleType) -> Any:
        word = triple.first + offset
        return lambda triple: _word(word)


for _attribute, _offset in (("x", 0), ("y", 1), ("z", 2)):
    _axis(_attribute, _offset)

thread_index = Triple("threadIdx", at.THREAD_X)
block_index = Triple("blockIdx", at.BLOCK_X)
block_shape = Triple("blockDim", at.BLOCK_DIM_X)
grid_shape = Triple("gridDim", at.GRID_DIM_X)


@intrinsic
def lane_id(_context: Any) -> Any:
    """Return the thread's lane: its index in its warp."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        thread = load_state(builder, at.TID)
        return builder.trunc(builder.and_(thread, ir.Constant(thread.type, at.WARP - 1)), ir.IntType(32))

    return types.int32(), generate


@intrinsic
def lanemask_lt(_context: Any) -> Any:
    """Return the mask of the lanes before the thread's."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        thread = builder.trunc(load_state(builder, at.TID), ir.IntType(32))
        one = ir.Constant(thread.type, 1)
        return builder.sub(builder.shl(one, builder.and_(thread, ir.Constant(thread.type, at.WARP - 1))), one)

    return types.uint32(), generate


def _over_axes(name: str, of_axis: Any) -> Any:
    @intrinsic(prefer_literal=True)
    def function(_context: Any, ndim: Any) -> Any:
        count = getattr(ndim, "literal_value", None)
        if count not in (1, 2, 3):
            return None
        kind = types.int64 if count == 1 else types.UniTuple(types.int64, count)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = [of_axis(builder, axis) for axis in range(count)]
            return values[0] if count == 1 else cgutils.pack_array(builder, values)

        return kind(ndim), generate

    return function


def _position(builder: Any, axis: int) -> Any:
    product = builder.mul(load_state(builder, at.BLOCK_X + axis), load_state(builder, at.BLOCK_DIM_X + axis))
    return builder.add(product, load_state(builder, at.THREAD_X + axis))


def _extent(builder: Any, axis: int) -> Any:
    return builder.mul(load_state(builder, at.GRID_DIM_X + axis), load_state(builder, at.BLOCK_DIM_X + axis))


grid = _over_axes("grid", _position)
gridsize = _over_axes("gridsize", _extent)
