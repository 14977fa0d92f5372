"""Compile kernels for the simulator, once for every function and set of argument types, or find them on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba import types

from workbench.numba_internals.errors import NumbaError, TypingError
from workbench.sim.common import facts
from workbench.sim.common.facts import Capture
from workbench.sim.common.modes import Mode
from workbench.sim.compiler.capturing import CONSTANT_BYTES, too_large
from workbench.sim.compiler.device_functions import device_function, forget
from workbench.sim.compiler.fingerprints import fingerprint
from workbench.sim.compiler.keeping import keep, kept
from workbench.sim.compiler.linking import MachineCode, generate, load
from workbench.sim.compiler.pipeline import COMPILERS
from workbench.sim.compiler.reaching import Reached, reach
from workbench.sim.compiler.shuffling import shuffles
from workbench.system.errors import message_lines, numba_place, numba_reason

_Key = tuple[Any, bool, bool, bool, tuple[Any, ...]]
_entries: dict[_Key, CompiledKernel] = {}
_failures: dict[_Key, tuple[Reached, str]] = {}
"""Messages of kernels that could not be compiled, with what they reached: another value may mend them."""

_kept: dict[str, CompiledKernel] = {}
"""Compiled kernels by their fingerprints: closures made anew are often the same."""


@dataclass(frozen=True)
class CompiledKernel:
    """A kernel's machine code.

    Attributes
    ----------
    address : of the machine code
    by_bytes : whether it views arrays as smaller elements
    captures : arrays that it or a device function captures
    makes_arrays : whether it makes shared or local arrays
    is_traced : whether values read from memory that nothing has written are followed to where they matter
    """

    address: int
    by_bytes: bool
    captures: tuple[Capture, ...]
    makes_arrays: bool
    is_traced: bool


def _mode(kernel: Callable[..., Any], *, watch: bool, trace: bool, count: bool) -> Mode:
    if count:
        return Mode.COUNTED
    if not watch:
        return Mode.PLAIN
    if trace:
        return Mode.TRACED
    return Mode.FOLLOWED if shuffles(kernel) else Mode.WATCHED


def kernel_entry(
    function: Callable[..., Any], kinds: tuple[Any, ...], *, watch: bool, trace: bool = False, count: bool = False
) -> CompiledKernel:
    """Return machine code that reads arguments of these types at an address and runs the kernel on them.

    Parameters
    ----------
    function : the kernel's Python function
    kinds : Numba types of its arguments
    watch : whether accesses are noted
    trace : whether values read from memory that nothing has written are followed
    count : whether accesses and basic blocks are noted, for counters, and nothing else

    Raises
    ------
    NumbaError
        The kernel cannot be compiled; the message is one line with the reason and place.
    """
    key = function, watch, trace, count, kinds
    if key not in _entries:
        reached = reach(function)
        if key in _failures:
            before, message = _failures.pop(key)
            if _are_same(before.values, reached.values):
                _failures[key] = before, message
                raise TypingError(message)
            forget(reached.functions)
        try:
            _entries[key] = _compiled(function, kinds, _mode(function, watch=watch, trace=trace, count=count))
        except (NumbaError, AttributeError, NotImplementedError) as error:
            message = f"{function.__name__} cannot be compiled: {_reason(error)}"
            _failures[key] = reached, message
            raise TypingError(message) from error
    return _entries[key]


def _are_same(before: list[tuple[str, Any]], now: list[tuple[str, Any]]) -> bool:
    return len(before) == len(now) and all(one[1] is other[1] for one, other in zip(before, now, strict=True))


def _compiled(function: Callable[..., Any], kinds: tuple[Any, ...], mode: Mode) -> CompiledKernel:
    key = None if mode is Mode.COUNTED else fingerprint(function, kinds, mode)
    if key is None:
        return _made(function, kinds, mode, None)
    if key not in _kept:
        _kept[key] = _from_disk(key, mode) or _made(function, kinds, mode, key)
    return _kept[key]


def _from_disk(key: str, mode: Mode) -> CompiledKernel | None:
    found = kept(key)
    if found is None:
        return None
    try:
        address = load(MachineCode(_entry(key), found.code, found.needs))
    except NotImplementedError:
        return None
    return CompiledKernel(address, found.by_bytes, (), found.makes_arrays, mode is Mode.TRACED)


def _made(function: Callable[..., Any], kinds: tuple[Any, ...], mode: Mode, key: str | None) -> CompiledKernel:
    kernel = device_function(function, compiler=COMPILERS[mode])
    kernel.compile(kinds)
    result = kernel.overloads[kinds].signature.return_type
    if result != types.none:
        raise TypingError(f"a kernel must not return a value, this one returns {result}; write it to an array")
    machine_code = generate(_entry(key or str(len(_entries))), kernel.overloads[kinds])
    found = facts.reachable(function)
    captures = tuple(dict.fromkeys(each for one in found for each in one.captures))
    constants = {(name, id(array)): array.nbytes for one in found for name, array in one.constants.items()}
    if sum(constants.values()) > CONSTANT_BYTES:
        raise TypingError(too_large(", ".join(sorted({name for name, _ in constants})), sum(constants.values())))
    if key and machine_code.portable and not captures and not any(one.extended for one in found):
        keep(key, machine_code.code, machine_code.needs, found)
    return CompiledKernel(
        load(machine_code),
        any(one.by_bytes for one in found),
        captures,
        any(one.makes_arrays for one in found),
        mode is Mode.TRACED,
    )


def _entry(key: str) -> str:
    return f"workbench_sim_kernel_{key}"


def _reason(error: Exception) -> str:
    """Return what matters of Numba's text, which goes over many lines, and the line of the kernel."""
    text, lines = numba_reason(error), message_lines(error)
    rejected = [place for place, line in enumerate(lines) if line.startswith("Rejected as the implementation raised")]
    if rejected:
        named, after = lines[rejected[0] + 1], lines[rejected[0] + 2 :]
        text = named.partition(": ")[2] or named
        text = after[0] if text.startswith("Failed in") and after else text
    text = text.replace("module 'workbench.sim.cuda", "module 'numba.cuda")
    text = text.replace("module 'workbench.sim.libdevice", "module 'numba.cuda.libdevice")
    return text + numba_place(error, but="workbench/sim/")
