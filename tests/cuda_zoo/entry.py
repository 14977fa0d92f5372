"""Entries of the zoo: a kernel, its launch, and its expected results or fault."""

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
    "misaligned",
)
MARK = "# fault"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A kernel and one launch of it."""

    kernel: Any
    """The kernel; for a program, the function on the host that launches kernels."""
    name: str
    grid: int | tuple[int, ...]
    """The blocks of the launch; 0 for a program."""
    block: int | tuple[int, ...]
    arguments: Arguments
    """Makes fresh host arrays and scalars for a launch."""
    expected: Expected | None = None
    """For a right kernel: index of an output argument -> its expected value after a launch with these arguments."""
    fault: str | None = None
    """For a faulty kernel: one of ``KINDS``."""
    dynamic_shared: int = 0
    capability: tuple[int, int] | None = None
    """For a fault of kind "limit": a compute capability that does not allow the launch."""
    exact: bool = False
    """Whether outputs must equal the expected values exactly, instead of within float rounding."""

    def path(self) -> str:
        """Return the file of the kernel and its device functions."""
        return str(_function(self.kernel).__code__.co_filename)

    def run(self, arguments: tuple[Any, ...]) -> None:
        """Launch the kernel, or run the program."""
        if self.grid == 0:
            self.kernel(*arguments)
        else:
            self.kernel[self.grid, self.block, 0, self.dynamic_shared](*arguments)

    def marked_lines(self) -> frozenset[int]:
        """Return the lines of the kernel and its device functions that a correct report may name."""
        return frozenset(
            first + offset
            for function in _with_called(_function(self.kernel), set())
            for lines, first in [inspect.getsourcelines(function)]
            for offset, line in enumerate(lines)
            if line.rstrip().endswith(MARK)
        )


RIGHT: list[Entry] = []
FAULTY: list[Entry] = []


def right(
    *,
    grid: int | tuple[int, ...] = 0,
    block: int | tuple[int, ...] = 0,
    arguments: Arguments,
    expected: Expected,
    exact: bool = False,
    dynamic_shared: int = 0,
) -> Callable[[Any], Any]:
    """Register a kernel, or without a grid a program, without a fault."""

    def enter(kernel: Any) -> Any:
        RIGHT.append(
            Entry(
                kernel=kernel,
                name=_function(kernel).__name__,
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
    grid: int | tuple[int, ...] = 0,
    block: int | tuple[int, ...] = 0,
    arguments: Arguments,
    dynamic_shared: int = 0,
    capability: tuple[int, int] | None = None,
) -> Callable[[Any], Any]:
    """Register a kernel, or without a grid a program, with one fault, whose lines end in the mark."""
    assert kind in KINDS

    def enter(kernel: Any) -> Any:
        FAULTY.append(
            Entry(
                kernel=kernel,
                name=_function(kernel).__name__,
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


def _function(kernel: Any) -> Any:
    """Return the Python function of a kernel; a program is one."""
    return getattr(kernel, "py_func", kernel)


def _with_called(function: Any, seen: set[Any]) -> Iterator[Any]:
    """Yield a function and, once each, the device functions that it calls."""
    seen.add(function)
    yield function
    for name in function.__code__.co_names:
        called = getattr(function.__globals__.get(name), "py_func", None)
        if called is not None and called not in seen:
            yield from _with_called(called, seen)
