"""Warp operations: ``syncwarp``, shuffles, votes, matches, ``activemask``."""

from typing import Any

from numba import types
from numba.extending import intrinsic, overload

from workbench.numba_internals.errors import TypingError
from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import cgutils
from workbench.sim.common.generating import call_runtime, constant
from workbench.sim.language.bits import WORDS, from_bits, to_bits
from workbench.sim.runtime import layout as at

_SHUFFLED = (types.int32, types.int64, types.float32, types.float64)


def _operation(builder: Any, kind: int, mask: Any, value: Any, lane: Any) -> Any:
    return call_runtime(builder, "warp_operation", constant(kind), mask, value, lane)


def _mask(context: Any, builder: Any, mask: Any, kind: Any) -> Any:
    return context.cast(builder, mask, kind, types.int64)


def _word(kind: Any) -> Any:
    """Return the register type of a value: 32 or 64 bits."""
    kind = types.unliteral(kind)
    if isinstance(kind, types.Boolean) or (isinstance(kind, types.Integer) and kind.bitwidth < 32):
        return types.int32
    if kind not in WORDS:
        raise TypingError(f"warp operations exchange integers and floats of 32 and 64 bits, not {kind}")
    return kind


@intrinsic
def _syncwarp(_context: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _operation(builder, at.SYNC, _mask(context, builder, arguments[0], mask), constant(0), constant(0))
        return context.get_dummy_value()

    return types.none(mask), generate


def syncwarp(mask: int = 0xFFFFFFFF) -> None:
    """Wait for the lanes in a mask, all by default, and order memory among them."""


@overload(syncwarp, strict=False)
def _overload_syncwarp(mask: Any = 0xFFFFFFFF) -> Any:
    return lambda mask=0xFFFFFFFF: _syncwarp(mask)


def _shuffle(operation: int) -> Any:
    @intrinsic
    def function(_context: Any, mask: Any, value: Any, lane: Any) -> Any:
        kind = types.unliteral(value)
        if kind not in _SHUFFLED:
            raise TypingError(f"numba-cuda shuffles int32, int64, float32 and float64, not {kind}; convert the value")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = context.cast(builder, arguments[2], signature.args[2], types.int64)
            sent = to_bits(builder, arguments[1], kind)
            found = _operation(builder, operation, _mask(context, builder, arguments[0], mask), sent, lanes)
            return from_bits(builder, found, kind)

        return kind(types.unliteral(mask), types.unliteral(value), types.unliteral(lane)), generate

    return function


shfl_sync, shfl_up_sync = _shuffle(at.SHUFFLE), _shuffle(at.SHUFFLE_UP)
shfl_down_sync, shfl_xor_sync = _shuffle(at.SHUFFLE_DOWN), _shuffle(at.SHUFFLE_XOR)


def _vote(operation: int, result: Any) -> Any:
    @intrinsic
    def function(_context: Any, mask: Any, predicate: Any) -> Any:
        if not isinstance(predicate, types.Integer | types.Boolean):
            raise TypingError(f"the predicate of a vote must be an integer or a bool, not {predicate}")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            true = context.cast(builder, arguments[1], signature.args[1], types.boolean)
            word = builder.zext(context.is_true(builder, types.boolean, true), ir.IntType(64))
            found = _operation(builder, operation, _mask(context, builder, arguments[0], mask), word, constant(0))
            return context.cast(builder, found, types.int64, result)

        return result(types.unliteral(mask), types.unliteral(predicate)), generate

    return function


all_sync, any_sync, eq_sync = (_vote(kind, types.boolean) for kind in (at.ALL, at.ANY, at.EQUAL))
ballot_sync = _vote(at.BALLOT, types.int32)


def _matched(context: Any, builder: Any, signature: Any, arguments: Any, operation: int) -> Any:
    mask, value = signature.args
    kind = _word(value)
    sent = to_bits(builder, context.cast(builder, arguments[1], value, kind), kind)
    return _operation(builder, operation, _mask(context, builder, arguments[0], mask), sent, constant(0))


@intrinsic
def match_any_sync(_context: Any, mask: Any, value: Any) -> Any:
    """Return the mask of the lanes whose value equals this lane's."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.trunc(_matched(context, builder, signature, arguments, at.MATCH_ANY), ir.IntType(32))

    return types.int32(types.unliteral(mask), types.unliteral(value)), generate


@intrinsic
def match_all_sync(_context: Any, mask: Any, value: Any) -> Any:
    """Return the mask, or 0, and whether the values of all lanes are equal."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.trunc(_matched(context, builder, signature, arguments, at.MATCH_ALL), ir.IntType(32))
        same = builder.icmp_unsigned("!=", found, ir.Constant(found.type, 0))
        return cgutils.make_anonymous_struct(builder, [found, same])

    return types.Tuple((types.int32, types.boolean))(types.unliteral(mask), types.unliteral(value)), generate


@intrinsic
def activemask(_context: Any) -> Any:
    """Return the mask of the lanes that reach this line together."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.trunc(call_runtime(builder, "active_mask"), ir.IntType(32))

    return types.uint32(), generate
