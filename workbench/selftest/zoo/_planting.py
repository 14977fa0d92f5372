"""Making faulty kernels by edits of the source of right ones.

The right kernel is the operation's reference or, for CUDA, the built-in kernel. An edit replaces a fragment of its source
that occurs exactly once; a stale edit raises.
"""

import ctypes
import inspect
import linecache
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from kernels import OPS, implementations

Array = NDArray[Any]
Kernel = Callable[..., None]
Edits = Mapping[str, str]
"""Fragments of a right kernel's source and their replacements, which get the indentation of the fragment's line.

Replacements may use ``np``, ``math``, ``ctypes``, ``prange`` and ``memory``, a dictionary that is kept between calls.
"""
Change = Edits | Kernel
"""The edits of a faulty kernel, or the kernel itself if it is not an edited one."""
Table = Mapping[str, Mapping[tuple[Any, ...], Change]]
"""Operation -> (fault, description, compiler) -> change."""

_NAMES = {"np": np, "math": math, "ctypes": ctypes, "prange": numba.prange}


def plain(function: Kernel) -> Kernel:
    """Return a function unchanged: plain Python, or compiled by its own decorators."""
    return function


COMPILERS: dict[str, Callable[[Any], Any]] = {
    "serial": numba.njit(error_model="numpy"),
    "parallel": numba.njit(parallel=True, error_model="numpy"),
    "fastmath": numba.njit(fastmath=True, error_model="numpy"),
    "plain": plain,
}
"""How faulty kernels for the CPU are compiled."""


@dataclass(frozen=True)
class Faulty:
    """A kernel with one fault.

    Attributes
    ----------
    op : the operation that it claims to compute
    fault : the category of the fault
    what : what is wrong, unique among the kernels of the operation
    compiled : compiles the kernel and the functions of its module that it calls
    change : the edits that turn the right kernel into this one, or this kernel itself
    device : "cpu" (njit or plain Python) or "cuda" (run in the simulator)
    """

    op: str
    fault: str
    what: str
    compiled: Callable[[Any], Any]
    change: Change = field(kw_only=True)
    device: str = field(kw_only=True)

    @property
    def name(self) -> str:
        """The operation and what is wrong, unique in the zoo."""
        return f"{self.op}: {self.what}"

    @cached_property
    def function(self) -> Kernel:
        """The kernel, in the calling convention; built at the first access, compiled at its first call."""
        if isinstance(self.change, Mapping):
            return self._edited(self.change)
        kernel: Kernel = self.compiled(self.change)
        return kernel

    def _edited(self, edits: Edits) -> Kernel:
        right = right_functions(self.op, self.device)
        source = edited(source_of(right), edits)
        file = f"<{self.name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # for reports of lines
        namespace = right[-1].__globals__ | _NAMES | {"memory": {}}
        exec(compile(source, file, "exec", dont_inherit=True), namespace)
        for each in right:
            namespace[each.__name__] = kernel = self.compiled(namespace[each.__name__])
        return kernel  # type: ignore[no-any-return]


def planted(table: Table, *, device: str) -> tuple[Faulty, ...]:
    """Return the kernels of a table, in its order."""
    return tuple(
        Faulty(op, *terms, change=change, device=device)
        for op, faults in table.items()
        for terms, change in faults.items()
    )


def right_functions(op: str, device: str) -> list[Any]:
    """Return the right kernel of an operation, after the functions of its module that it calls."""
    built_in = (each.function for each in implementations(op) if each.device == device)
    kernel: Any = OPS[op].reference if device == "cpu" else next(built_in)
    called = (kernel.__globals__.get(name) for name in kernel.__code__.co_names)
    return [*(each for each in called if getattr(each, "__module__", None) == kernel.__module__), kernel]


def source_of(functions: list[Any]) -> str:
    """Return the source of functions, compiled or not, one after the other."""
    return "\n\n".join(inspect.getsource(inspect.unwrap(each)) for each in functions)


def edited(source: str, edits: Edits) -> str:
    """Return ``source`` with every fragment replaced; further lines get the indentation of the fragment's line.

    Raises
    ------
    ValueError
        A fragment does not occur exactly once, or overlaps another one.
    """
    done, end = "", 0
    for before in sorted(edits, key=source.find):
        start = source.find(before)
        if source.count(before) != 1 or start < end:
            raise ValueError(f"{before!r} must occur once in the source and overlap no other edit:\n{source}")
        line = source[source.rfind("\n", 0, start) + 1 : start]
        indent = line[: len(line) - len(line.lstrip())]
        done += source[end:start] + edits[before].replace("\n", f"\n{indent}")
        end = start + len(before)
    return done + source[end:]
