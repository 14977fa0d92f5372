"""Access words at addresses and call through pointers, inside compiled functions."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import cgutils

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_POINTER = ir.IntType(8).as_pointer()


def _place(builder: Any, address: Any, index: Any, word: ir.Type) -> Any:
    return builder.gep(builder.inttoptr(address, word.as_pointer()), [index])


@intrinsic
def get(_context: Any, address: Any, index: Any) -> Any:
    """Load the 64-bit word ``index`` words after ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments[0], arguments[1], _INT64), align=8)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def put(_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Store a 64-bit word ``index`` words after ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(builder, arguments[0], arguments[1], _INT64), align=8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@intrinsic
def get32(_context: Any, address: Any, index: Any) -> Any:
    """Load the signed 32-bit word ``index`` words after ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.load(_place(builder, arguments[0], arguments[1], _INT32), align=4), _INT64)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def get_byte(_context: Any, address: Any, index: Any) -> Any:
    """Load the byte ``index`` bytes after ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.load(_place(builder, arguments[0], arguments[1], ir.IntType(8))), _INT64)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def put32(_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Store a 32-bit word ``index`` words after ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = builder.trunc(arguments[2], _INT32)
        builder.store(word, _place(builder, arguments[0], arguments[1], _INT32), align=4)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@intrinsic
def fill(_context: Any, address: Any, value: Any, count: Any) -> Any:
    """Set ``count`` bytes to ``value``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, value, count = arguments
        cgutils.memset(builder, builder.inttoptr(target, _POINTER), count, builder.trunc(value, ir.IntType(8)))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@intrinsic
def call_kernel(_context: Any, function: Any, arguments_: Any, exception: Any) -> Any:
    """Call Numba's machine code for a function of one address; return its status, and the record of an exception."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function, argument, exception = arguments
        kind = ir.FunctionType(_INT32, [_POINTER.as_pointer(), _POINTER.as_pointer(), _INT64])
        result = cgutils.alloca_once(builder, _POINTER)
        record = cgutils.alloca_once_value(builder, ir.Constant(_POINTER, None))
        status = builder.call(builder.inttoptr(function, kind.as_pointer()), [result, record, argument])
        builder.store(
            builder.ptrtoint(builder.load(record), _INT64), builder.inttoptr(exception, _INT64.as_pointer()), align=8
        )
        return builder.sext(status, _INT64)

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def call(_context: Any, function: Any, first: Any, second: Any, third: Any) -> Any:
    """Call machine code that takes three words and returns nothing."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_INT64] * 3)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.none(*[types.int64] * 4), generate
