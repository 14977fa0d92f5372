"""Barriers, fences, and cooperative groups."""

from typing import Any

from numba import types
from numba.extending import intrinsic, models, overload_method, register_model

from workbench.numba_internals.errors import TypingError
from workbench.numba_internals.llvm import ir
from workbench.sim.common.generating import call_runtime, constant
from workbench.sim.runtime import layout as at


@intrinsic
def syncthreads(_context: Any) -> Any:
    """Wait for all threads of the block."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        call_runtime(builder, "barrier", constant(at.PLAIN), constant(0))
        return context.get_dummy_value()

    return types.none(), generate


def _counting(kind: int) -> Any:
    @intrinsic
    def function(_context: Any, predicate: Any) -> Any:
        if not isinstance(predicate, types.Integer):
            raise TypingError(f"the predicate of a barrier must be an integer, not {predicate}; write int32(...)")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            true = context.cast(builder, arguments[0], signature.args[0], types.boolean)
            word = builder.zext(context.is_true(builder, types.boolean, true), ir.IntType(64))
            return builder.trunc(call_runtime(builder, "barrier", constant(kind), word), ir.IntType(32))

        return types.int32(types.unliteral(predicate)), generate

    return function


syncthreads_count = _counting(at.COUNT)
syncthreads_and = _counting(at.AND)
syncthreads_or = _counting(at.OR)


def _fence(scope: int) -> Any:
    @intrinsic
    def function(_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            call_runtime(builder, "fence", constant(scope))
            return context.get_dummy_value()

        return types.none(), generate

    return function


threadfence_block, threadfence, threadfence_system = _fence(0), _fence(1), _fence(1)


class GridGroupType(types.Type):  # type: ignore[misc]
    """All threads of a launch."""

    def __init__(self) -> None:
        super().__init__(name="sim.grid_group")


GRID_GROUP = GridGroupType()
register_model(GridGroupType)(models.OpaqueModel)


@intrinsic
def this_grid(_context: Any) -> Any:
    """Return the group of all threads of the launch."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return GRID_GROUP(), generate


@intrinsic
def _grid_barrier(_context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        call_runtime(builder, "grid_barrier")
        return ir.Constant(ir.IntType(32), 0)

    return types.int32(), generate


@overload_method(GridGroupType, "sync", strict=False)
def _sync(group: Any) -> Any:
    return lambda group: _grid_barrier()


@intrinsic
def nanosleep(_context: Any, nanoseconds: Any) -> Any:
    """Let others run; time is not simulated."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        call_runtime(builder, "access", constant(0), constant(0), constant(0), constant(at.UPDATES))
        return context.get_dummy_value()

    return types.none(nanoseconds), generate
