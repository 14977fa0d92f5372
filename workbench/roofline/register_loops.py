"""Loops over whole SIMD registers, as wide as the processor has them, independent of LLVM's choice of width.

LLVM compiles plain loops for 256 bits on processors whose clock it expects to drop with 512; the measurement of a limit
must not depend on a compiler's choice.
"""

from collections.abc import Callable
from typing import Any

from numba import prange, types
from numba.extending import intrinsic

from kernels.compile.jit import cpu_kernel, cpu_serial
from kernels.simd.registers import register_bytes
from kernels.simd.tile_ir import multiply_add, splat
from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import cgutils

CHAINS = 12
"""Accumulators: more than the latency (4 cycles) times the units (2) of a fused multiply-add on every x86 and ARM core
to date, and few enough to fit in 16 registers with two operands."""


def _rounds(builder: Any, count: Any, accumulators: list[Any], step: Callable[[Any, int, Any], Any]) -> None:
    """Build ``for i in range(count)``: every accumulator becomes ``step(i, its number, its value)``."""
    with cgutils.for_range(builder, count) as loop:
        for number, pointer in enumerate(accumulators):
            builder.store(step(loop.index, number, builder.load(pointer)), pointer)


@intrinsic  # type: ignore[untyped-decorator]
def multiply_adds(_typing: Any, rounds: Any, factor: Any) -> Any:
    """Do ``rounds`` times CHAINS independent multiply-adds on whole registers; return the first lane of their sum."""
    size = register_bytes()

    def generate(context: Any, builder: Any, types_of: Any, arguments: Any) -> Any:
        scalar = context.get_value_type(types_of.args[1])
        bits = 64 if isinstance(scalar, ir.DoubleType) else 32
        vector = ir.VectorType(scalar, size * 8 // bits)
        factors = splat(builder, arguments[1], vector)
        accumulators = [cgutils.alloca_once_value(builder, factors) for _ in range(CHAINS)]

        def step(_index: Any, _number: int, value: Any) -> Any:
            return multiply_add(builder, value, factors, factors)

        _rounds(builder, arguments[0], accumulators, step)
        total = builder.load(accumulators[0])
        for pointer in accumulators[1:]:
            total = builder.fadd(total, builder.load(pointer))
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return factor(rounds, factor), generate


@intrinsic  # type: ignore[untyped-decorator]
def read_registers(_typing: Any, array: Any) -> Any:
    """Load a whole array register by register, eight at a time; return a value that depends on all of it."""
    size = register_bytes()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _over_registers(context, builder, signature, arguments, size, writes=False)

    return types.int64(array), generate


@intrinsic  # type: ignore[untyped-decorator]
def update_registers(_typing: Any, array: Any) -> Any:
    """Load a whole array and store it with one bit flipped, register by register, eight at a time."""
    size = register_bytes()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _over_registers(context, builder, signature, arguments, size, writes=True)

    return types.int64(array), generate


UNROLL = 8


def _over_registers(context: Any, builder: Any, signature: Any, arguments: Any, size: int, *, writes: bool) -> Any:
    word = ir.IntType(64)
    vector = ir.VectorType(word, size // 8)
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    base = builder.bitcast(array.data, vector.as_pointer())
    count = builder.udiv(array.nitems, ir.Constant(word, UNROLL * vector.count))
    accumulators = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(UNROLL)]
    one = ir.Constant(vector, [1] * vector.count)

    def step(index: Any, number: int, value: Any) -> Any:
        place = builder.gep(
            base, [builder.add(builder.mul(index, ir.Constant(word, UNROLL)), ir.Constant(word, number))]
        )
        loaded = builder.load(place, align=size)
        if writes:
            builder.store(builder.xor(loaded, one), place, align=size)
            return value
        return builder.xor(value, loaded)

    _rounds(builder, count, accumulators, step)
    total = builder.load(accumulators[0])
    for pointer in accumulators[1:]:
        total = builder.xor(total, builder.load(pointer))
    return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))


@cpu_kernel(small=0)  # on all threads, however little memory it uses
def run_multiply_adds(threads: int, rounds: int, factor: Any, out: Any) -> None:
    """Do ``rounds`` rounds of CHAINS multiply-adds on every thread; ``out`` (threads,) prevents their elimination."""
    for thread in prange(threads):
        out[thread] = multiply_adds(rounds, factor)


@cpu_kernel(small=0)  # on all threads, however little memory it uses
def run_reads(buffers: Any, passes: int, out: Any) -> None:
    """Read every thread's row of int64 ``passes`` times."""
    for thread in prange(buffers.shape[0]):
        total = 0
        for _ in range(passes):
            total ^= read_registers(buffers[thread])
        out[thread] = total


@cpu_kernel(small=0)  # on all threads, however little memory it uses
def run_updates(buffers: Any, passes: int, out: Any) -> None:
    """Read and write every thread's row of int64 ``passes`` times."""
    for thread in prange(buffers.shape[0]):
        total = 0
        for _ in range(passes):
            total ^= update_registers(buffers[thread])
        out[thread] = total


@cpu_serial
def nothing(_array: Any) -> None:
    """Do nothing, to measure the cost of calling a compiled function."""
