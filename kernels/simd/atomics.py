"""Counters shared by several threads, for use inside @njit; uncompiled code has one thread and uses plain arithmetic."""

import os
from platform import machine
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels.compile.numba_internals.generating import cgutils
from kernels.compile.numba_internals.llvm import ir
from kernels.simd import tile_ir

_INT32 = ir.IntType(32)


def _add_definition(counters: Any, index: Any, value: Any) -> tile_ir.Definition:
    if not isinstance(counters, types.Array) or counters.dtype != types.int64:
        return None

    def body(builder: Any, counters: Any, index: Any, value: Any) -> Any:
        return builder.atomic_rmw("add", counters.address(index), value, "seq_cst")

    return types.int64(counters, types.intp, types.int64), body


def _read_definition(counters: Any, index: Any) -> tile_ir.Definition:
    if not isinstance(counters, types.Array) or counters.dtype != types.int64:
        return None

    def body(builder: Any, counters: Any, index: Any) -> Any:
        return builder.load_atomic(counters.address(index), ordering="seq_cst", align=8)

    return types.int64(counters, types.intp), body


def _exchange_definition(counters: Any, index: Any, expected: Any, value: Any) -> tile_ir.Definition:
    if not isinstance(counters, types.Array) or counters.dtype != types.int64:
        return None

    def body(builder: Any, counters: Any, index: Any, expected: Any, value: Any) -> Any:
        pair = builder.cmpxchg(counters.address(index), expected, value, "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(counters, types.intp, types.int64, types.int64), body


def _pause_definition() -> tile_ir.Definition:
    def body(builder: Any) -> None:
        if machine() in ("x86_64", "AMD64"):
            call = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, call, "llvm.x86.sse2.pause"), [])

    return types.void(), body


def _yield_definition() -> tile_ir.Definition:
    def body(builder: Any) -> None:
        if hasattr(os, "sched_yield"):
            call = ir.FunctionType(_INT32, [])
            builder.call(cgutils.get_or_insert_function(builder.module, call, "sched_yield"), [])

    return types.void(), body


@tile_ir.compiled(_add_definition)
def fetch_add(counters: NDArray[np.int64], index: int, value: int) -> int:
    """Add ``value`` to ``counters[index]``, which other threads may change, and return the previous value."""
    before = int(counters[index])
    counters[index] += value
    return before


@tile_ir.compiled(_read_definition)
def read(counters: NDArray[np.int64], index: int) -> int:
    """Return the current value of ``counters[index]``; also makes visible what other threads wrote before it."""
    return int(counters[index])


@tile_ir.compiled(_exchange_definition)
def exchange(counters: NDArray[np.int64], index: int, expected: int, value: int) -> bool:
    """Replace ``expected`` in ``counters[index]`` with ``value``; return whether it was there."""
    found = int(counters[index]) == expected
    if found:
        counters[index] = value
    return found


@tile_ir.compiled(_pause_definition)
def pause() -> None:
    """Hint to the processor that this is a spin-wait loop."""


@tile_ir.compiled(_yield_definition)
def yield_processor() -> None:
    """Let another thread run on this core."""
