"""Kernels compiled for the simulator, once for every function and set of argument types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import NumbaError, TypingError
from numba.extending import intrinsic
from numba.np import arrayobj

from workbench.sim import naming

_functions: dict[tuple[Any, bool], Any] = {}
_entries: dict[tuple[Any, bool, tuple[Any, ...]], Entry] = {}
_kept: list[Any] = []

_OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


@dataclass(frozen=True)
class Entry:
    """A kernel's machine code: its address, and whether it looks at arrays as at others of smaller elements."""

    address: int
    by_bytes: bool


def device_function(function: Callable[..., Any], *, watch: bool) -> Any:
    """Give a function compiled, when it is called, for the simulator."""
    from workbench.sim.lowering import PlainCompiler, WatchedCompiler

    key = function, watch
    if key not in _functions:
        compiler = WatchedCompiler if watch else PlainCompiler
        _functions[key] = numba.njit(pipeline_class=compiler, **_OPTIONS)(function)
    return _functions[key]


def kernel_entry(function: Callable[..., Any], kinds: tuple[Any, ...], *, watch: bool) -> Entry:
    """Give machine code that reads arguments of these types at an address and runs the kernel on them.

    Raises
    ------
    NumbaError
        The kernel cannot be compiled; one line says why and where.
    """
    key = function, watch, kinds
    if key not in _entries:
        kernel, arguments = device_function(function, watch=watch), _reader(kinds)

        def start(address: int) -> None:
            kernel(*arguments(address))

        start.__name__ = start.__qualname__ = function.__name__
        compiled = numba.njit(**_OPTIONS)(start)
        naming.narrow.clear()
        try:
            compiled.compile((types.int64,))
        except (NumbaError, AttributeError, NotImplementedError) as error:
            raise TypingError(f"{function.__name__} cannot be compiled: {_reason(error)}") from error
        result = next(iter(compiled.overloads.values()))
        _kept.append(compiled)
        address = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
        _entries[key] = Entry(address, bool(naming.narrow))
    return _entries[key]


def _reason(error: Exception) -> str:
    """Give what matters of Numba's text, which goes over many lines, and the line of the kernel."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    specific = [place for place, line in enumerate(lines) if line.startswith("Rejected as the implementation raised")]
    if specific:
        text = lines[specific[0] + 1].partition(": ")[2] or lines[specific[0] + 1]
    else:
        told = (
            line for line in lines if not line.startswith(("Failed in", "[", "- Resolution", "During:", "There are"))
        )
        text = next(told, type(error).__name__)
    places = [
        found
        for found in re.findall(r'File "([^"]+)", line (\d+)', str(error))
        + re.findall(r"at (\S+) \((\d+)\)", str(error))
        if "workbench/sim/" not in found[0]
    ]
    text = text.replace("module 'workbench.sim.cuda", "module 'numba.cuda")
    return f"{text} ({Path(places[0][0]).name}:{places[0][1]})" if places else text


@cache
def _reader(kinds: tuple[Any, ...]) -> Any:
    """Make a function that reads arguments of these types, in words one after another, at an address."""
    result = types.Tuple(kinds)

    @intrinsic
    def arguments(_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            words = _Words(builder, given[0])
            return context.make_tuple(builder, result, [_read(context, builder, kind, words) for kind in kinds])

        return result(types.int64), generate

    return arguments


class _Words:
    """Reads 64-bit words one after another."""

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


def _read(context: Any, builder: Any, kind: Any, words: _Words) -> Any:
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
        return context.make_tuple(builder, kind, [_read(context, builder, each, words) for each in kind])
    if kind == types.none:
        return context.get_dummy_value()
    word = words.next(context.get_data_type(kind))
    return context.data_model_manager[kind].from_data(builder, word)
