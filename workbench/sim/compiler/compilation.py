"""Compile kernels for the simulator, once for every function and set of argument types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

from workbench.numba_internals.errors import NumbaError, TypingError
from workbench.sim.common import facts
from workbench.sim.common.facts import Capture
from workbench.sim.common.modes import Mode
from workbench.sim.compiler.device_functions import OPTIONS, device_function
from workbench.sim.compiler.pipeline import COMPILERS
from workbench.sim.compiler.reading import WordReader, read_value
from workbench.sim.compiler.shuffling import shuffles

_entries: dict[tuple[Any, bool, tuple[Any, ...]], Entry] = {}
_kept: list[Any] = []


@dataclass(frozen=True)
class Entry:
    """A kernel's machine code.

    Attributes
    ----------
    address : of the machine code
    by_bytes : whether it views arrays as smaller elements
    captures : arrays that it or a device function captures
    """

    address: int
    by_bytes: bool
    captures: tuple[Capture, ...]


def _mode(kernel: Callable[..., Any], *, watch: bool) -> Mode:
    if not watch:
        return Mode.PLAIN
    return Mode.FOLLOWED if shuffles(kernel) else Mode.WATCHED


def kernel_entry(function: Callable[..., Any], kinds: tuple[Any, ...], *, watch: bool) -> Entry:
    """Return machine code that reads arguments of these types from an address and runs the kernel on them.

    Raises
    ------
    NumbaError
        The kernel cannot be compiled; the message is one line with the reason and place.
    """
    key = function, watch, kinds
    if key not in _entries:
        kernel, arguments = device_function(function, compiler=COMPILERS[_mode(function, watch=watch)]), _reader(kinds)

        def start(address: int) -> None:
            kernel(*arguments(address))

        start.__name__ = start.__qualname__ = function.__name__
        compiled = numba.njit(**OPTIONS)(start)
        try:
            compiled.compile((types.int64,))
        except (NumbaError, AttributeError, NotImplementedError) as error:
            raise TypingError(f"{function.__name__} cannot be compiled: {_reason(error)}") from error
        result = next(iter(compiled.overloads.values()))
        _kept.append(compiled)
        address = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
        found = facts.reachable(function)
        captures = tuple(dict.fromkeys(each for one in found for each in one.captures))
        _entries[key] = Entry(address, any(one.by_bytes for one in found), captures)
    return _entries[key]


def _reason(error: Exception) -> str:
    """Return the relevant part of Numba's multi-line message, and the line of the kernel."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    specific = [place for place, line in enumerate(lines) if line.startswith("Rejected as the implementation raised")]
    if specific:
        named, after = lines[specific[0] + 1], lines[specific[0] + 2 :]
        text = named.partition(": ")[2] or named
        text = after[0] if text.startswith("Failed in") and after else text
    else:
        messages = (
            line for line in lines if not line.startswith(("Failed in", "[", "- Resolution", "During:", "There are"))
        )
        text = next(messages, type(error).__name__)
    places = [
        found
        for found in re.findall(r'File "([^"]+)", line (\d+)', str(error))
        + re.findall(r"at (\S+) \((\d+)\)", str(error))
        if "workbench/sim/" not in found[0]
    ]
    text = text.replace("module 'workbench.sim.cuda", "module 'numba.cuda")
    text = text.replace("module 'workbench.sim.libdevice", "module 'numba.cuda.libdevice")
    return f"{text} ({Path(places[0][0]).name}:{places[0][1]})" if places else text


@cache
def _reader(kinds: tuple[Any, ...]) -> Any:
    """Make a function that reads arguments of these types from consecutive words at an address."""
    result = types.Tuple(kinds)

    @intrinsic
    def arguments(_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            words = WordReader(builder, given[0])
            return context.make_tuple(builder, result, [read_value(context, builder, kind, words) for kind in kinds])

        return result(types.int64), generate

    return arguments
