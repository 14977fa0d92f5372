"""Convert numbers to and from the bits in registers."""

from typing import Any

from numba import types

from workbench.numba_internals.llvm import ir
from workbench.sim.common.generating import INT64

WORDS = (types.int32, types.uint32, types.int64, types.uint64, types.float32, types.float64)


def to_bits(builder: Any, value: Any, kind: Any) -> Any:
    """Return a number's bits as a 64-bit word."""
    if isinstance(kind, types.Float):
        value = builder.bitcast(value, ir.IntType(kind.bitwidth))
    return builder.zext(value, INT64) if kind.bitwidth < 64 else value


def from_bits(builder: Any, word: Any, kind: Any) -> Any:
    """Return the number that a 64-bit word holds."""
    if kind.bitwidth < 64:
        word = builder.trunc(word, ir.IntType(kind.bitwidth))
    if isinstance(kind, types.Float):
        word = builder.bitcast(word, ir.FloatType() if kind.bitwidth == 32 else ir.DoubleType())
    return word
