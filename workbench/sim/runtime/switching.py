"""Switch stacks: by a few instructions on x86-64, elsewhere by C's ``swapcontext``, which makes a system call."""

from __future__ import annotations

import platform
from typing import Any

from numba import types
from numba.extending import intrinsic

from workbench.numba_internals.llvm import binding, ir
from workbench.numba_internals.lowering import cgutils
from workbench.sim.runtime.words import put

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)

_SWITCH = """
leaq -128(%rsp), %rsp
pushq %rbp
pushq %rbx
leaq 1f(%rip), %rax
pushq %rax
movq %rsp, (%rdi)
movq (%rsi), %rsp
popq %rax
jmpq *%rax
1:
popq %rbx
popq %rbp
leaq 128(%rsp), %rsp
"""
"""Skip the red zone, save the registers that cannot be declared as clobbered and the resume address, switch stacks, and
resume there. A new stack begins with a function's address: the third register still holds that function's third argument."""

_LOST = ["rax", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "dirflag", "fpsr", "flags"]


@intrinsic
def _switch_x86(_context: Any, saved: Any, wanted: Any, state: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.LiteralStructType([_INT64] * 3), [_INT64] * 3)
        constraints = ["={rdi}", "={rsi}", "={rdx}", "0", "1", "2", *(f"~{{{name}}}" for name in _LOST)]
        builder.asm(kind, _SWITCH, ",".join(constraints), arguments, side_effect=True)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 3), generate


def _switch_here(saved: int, wanted: int, state: int) -> None:
    """Save the current stack at ``saved`` and resume the one saved at ``wanted``."""
    _switch_x86(saved, wanted, state)


def _prepare_here(place: int, stack: int, size: int, function: int, state: int) -> None:
    """Make ``place`` a stack on which ``function`` (anything, anything, state) starts when it is switched to."""
    top = (stack + size) // 16 * 16 - 32
    put(top, 0, function)
    put(top, 1, 0)
    put(place, 0, top)


@intrinsic
def _swap_context(_context: Any, saved: Any, wanted: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_INT32, [_INT64, _INT64])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "swapcontext"), arguments)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def _make_context(_context: Any, place: Any, function: Any, state: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, function, state = arguments
        kind = ir.FunctionType(ir.VoidType(), [_INT64, _INT64, _INT32], var_arg=True)
        make = cgutils.get_or_insert_function(builder.module, kind, "makecontext")
        nothing = ir.Constant(_INT64, 0)
        builder.call(make, [place, function, ir.Constant(_INT32, 3), nothing, nothing, state])
        return context.get_dummy_value()

    return types.none(*[types.int64] * 3), generate


@intrinsic
def _get_context(_context: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        get = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_INT32, [_INT64]), "getcontext")
        builder.call(get, arguments)
        return context.get_dummy_value()

    return types.none(types.int64), generate


def _switch_by_c(saved: int, wanted: int, state: int) -> None:
    """Do the same as ``_switch_here``."""
    _swap_context(saved, wanted)


def _prepare_by_c(place: int, stack: int, size: int, function: int, state: int) -> None:
    """Do the same as ``_prepare_here``.

    ``ucontext_t`` begins the same way on every 64-bit Linux: flags, link, a stack's address, flags, size.
    """
    _get_context(place)
    put(place, 1, 0)
    put(place, 2, stack)
    put(place, 4, size)
    _make_context(place, function, state)


binding.initialize_native_asmparser()

IS_X86 = platform.machine() == "x86_64"
switch = _switch_here if IS_X86 else _switch_by_c
prepare = _prepare_here if IS_X86 else _prepare_by_c
