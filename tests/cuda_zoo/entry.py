"""What is known of a kernel of the zoo: how it is launched, and what must or must not come of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Arguments = Callable[[np.random.Generator], tuple[Any, ...]]
Expected = Callable[..., dict[int, Array]]

KINDS = (
    "race",
    "uninitialised",
    "out-of-bounds",
    "divergent-barrier",
    "absent-lane",
    "deadlock",
    "limit",
)
MARK = "# fault"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A kernel and one launch of it."""

    kernel: Any
    name: str
    grid: int | tuple[int, ...]
    block: int | tuple[int, ...]
    arguments: Arguments
    """Fresh host arrays and scalars of a launch."""
    expected: Expected | None = None
    """Of a right kernel: position of an output argument -> what it holds after a launch with these arguments."""
    fault: str | None = None
    """Of a faulty kernel: one of ``KINDS``."""
    dynamic_shared: int = 0
    capability: tuple[int, int] | None = None
    """Of a fault of kind "limit": the compute capability that does not allow it."""
    exact: bool = False
    """Whether outputs are equal to what is expected, not only within float rounding."""

    def path(self) -> str:
        """Return the file in which the kernel and its device functions are."""
        return str(self.kernel.py_func.__code__.co_filename)

    def marked_lines(self) -> frozenset[int]:
        """Return the lines, of the kernel and of the device functions it calls, that a correct report may name."""
        return frozenset(
            first + offset
            for function in _with_called(self.kernel.py_func, set())
            for lines, first in [inspect.getsourcelines(function)]
            for offset, line in enumerate(lines)
            if line.rstrip().endswith(MARK)
        )


RIGHT: list[Entry] = []
FAULTY: list[Entry] = []


def right(
    *,
    grid: int | tuple[int, ...],
    block: int | tuple[int, ...],
    arguments: Arguments,
    expected: Expected,
    exact: bool = False,
    dynamic_shared: int = 0,
) -> Callable[[Any], Any]:
    """Enter a kernel that has no fault."""

    def enter(kernel: Any) -> Any:
        RIGHT.append(
            Entry(
                kernel=kernel,
                name=kernel.py_func.__name__,
                grid=grid,
                block=block,
                arguments=arguments,
                expected=expected,
                exact=exact,
                dynamic_shared=dynamic_shared,
            )
        )
        return kernel

    return enter


def faulty(
    kind: str,
    *,
    grid: int | tuple[int, ...],
    block: int | tuple[int, ...],
    arguments: Arguments,
    dynamic_shared: int = 0,
    capability: tuple[int, int] | None = None,
) -> Callable[[Any], Any]:
    """Enter a kernel with one fault, whose lines end in the mark."""
    assert kind in KINDS

    def enter(kernel: Any) -> Any:
        FAULTY.append(
            Entry(
                kernel=kernel,
                name=kernel.py_func.__name__,
                grid=grid,
                block=block,
                arguments=arguments,
                fault=kind,
                dynamic_shared=dynamic_shared,
                capability=capability,
            )
        )
        return kernel

    return enter


def uniform(rng: np.random.Generator, shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """Draw numbers in [0, 1)."""
    return rng.random(shape).astype(dtype)


def integers(rng: np.random.Generator, below: int, shape: int | tuple[int, ...], dtype: DTypeLike = np.int32) -> Array:
    """Draw integers in [0, below)."""
    return rng.integers(0, below, shape).astype(dtype)


def zeros(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """Make an array for results."""
    return np.zeros(shape, dtype)


def _with_called(function: Any, seen: set[Any]) -> Iterator[Any]:
    """Return a function and, once each, the device functions that it calls."""
    seen.add(function)
    yield function
    for name in function.__code__.co_names:
        called = getattr(function.__globals__.get(name), "py_func", None)
        if called is not None and called not in seen:
            yield from _with_called(called, seen)
