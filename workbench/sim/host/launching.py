"""Launch a kernel: set up the runtime's tables, run it, and collect its hazards."""

from __future__ import annotations

import ctypes
import inspect
import threading
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.sim.common import state
from workbench.sim.common.errors import Hazard, HazardWarning, KernelHazard
from workbench.sim.common.region_lookup import Region
from workbench.sim.common.settings import VOLTA, current
from workbench.sim.compiler.compilation import CompiledKernel, kernel_entry
from workbench.sim.compiler.reaching import globals_in, reach
from workbench.sim.counting.collecting import Record, chosen_blocks, collector
from workbench.sim.counting.counters import LaunchCounters
from workbench.sim.counting.reading import read_events
from workbench.sim.host.allocations import written_bytes
from workbench.sim.host.arguments import Arguments
from workbench.sim.host.describing import describe
from workbench.sim.host.readable_places import Launch
from workbench.sim.host.tables import Tables, forget_chunks
from workbench.sim.host.timeline import Footprint
from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entries import entries

_Dimensions = tuple[tuple[int, int, int], tuple[int, int, int], int]
"""Blocks and threads along x, y, z; dynamic shared memory per block, bytes."""

_lock = threading.RLock()

_suspected: set[tuple[Callable[..., Any], tuple[Any, ...]]] = set()
"""Kernels, with the types of their arguments, that have read memory that nothing has written."""


def launch(
    function: Callable[..., Any],
    grid: tuple[int, int, int],
    block: tuple[int, int, int],
    dynamic_bytes: int,
    values: tuple[Any, ...],
    *,
    watched: bool = False,
) -> list[tuple[Footprint, list[NDArray[Any]]]]:
    """Run a kernel in place on NumPy arrays.

    Return the memory that it touched, with the arrays there, if it is ``watched``.

    Parameters
    ----------
    function : the kernel's Python function
    grid, block : blocks and threads along x, y, z
    dynamic_bytes : dynamic shared memory per block
    values : arrays, numbers and tuples of them
    watched : whether what it touched is needed

    Raises
    ------
    KernelHazard
        The kernel has hazards; of those that are warnings, it warns.
    TypeError
        The number or type of an argument is wrong.
    NumbaError
        The kernel cannot be compiled; the message is one line.
    MemoryError
        The launch is too large.
    """
    __tracebackhide__ = True
    settings = current()
    names = tuple(inspect.signature(function).parameters)
    if len(names) != len(values):
        raise TypeError(f"{function.__name__} takes {len(names)} arguments but {len(values)} were given")
    dimensions = grid, block, dynamic_bytes
    with _lock:
        entries()
        arguments = Arguments(names, values)
        known = (function, arguments.kinds) in _suspected or _prints(function)
        entry = kernel_entry(function, arguments.kinds, watch=settings.hazards, trace=known)
        counted = collector()
        repeats = counted is not None
        saved = _Saved(always=repeats) if repeats or (settings.hazards and not entry.is_traced) else None
        only = None if counted is None else counted.blocks_to_run(grid, block)
        hazards = _launched(function, dimensions, arguments, entry, saved, only)
        if state.WORDS[at.SUSPECTED] and saved is not None and not entry.is_traced:
            _suspected.add((function, arguments.kinds))
            saved.restore()
            arguments = Arguments(names, values)
            entry = kernel_entry(function, arguments.kinds, watch=True, trace=True)
            hazards = _launched(function, dimensions, arguments, entry, None, only)
        overflowed = state.WORDS[at.STOPPED] == 2
        if counted is not None and saved is not None and not overflowed and all(each.is_warning for each in hazards):
            counted.found.append(_counted(function, dimensions, Arguments(names, values), saved, only))
        touched = [_touched(each) for each in arguments.regions] if watched and settings.hazards else []
    if not all(each.is_warning for each in hazards):
        raise KernelHazard(hazards)
    for each in hazards:
        warnings.warn(HazardWarning(each), stacklevel=3)
    if overflowed:
        raise RuntimeError(
            f"{function.__name__}: its fences and atomic operations publish more in one launch than the simulator can "
            "follow; make the launch smaller, or turn hazards off"
        )
    return touched


@cache
def _prints(function: Callable[..., Any]) -> bool:
    """Return whether a kernel prints, which cannot be repeated."""
    return any("print" in globals_in(each.__code__) for each in reach(function).functions)


def _touched(region: Region) -> tuple[Footprint, list[NDArray[Any]]]:
    """Return the cells of a region that the launch has read and written."""
    size = -(-(region.stop - region.start) // region.unit)
    cells = np.asarray(_CellMemory(int(region.record[at.R_CELLS]), size))
    writes = (cells[:, at.WRITE] != 0) | (cells[:, at.ATOMIC] != 0)
    arrays = [array for _, array in region.arrays]
    return Footprint(region.start, region.unit, cells[:, at.READ] != 0, writes), arrays


class _CellMemory:
    """The words of cells, wrapped for NumPy."""

    def __init__(self, address: int, count: int) -> None:
        self.__array_interface__ = {
            "shape": (count, at.CELL_BYTES // 4),
            "typestr": "<i4",
            "data": (address, True),
            "version": 3,
        }


class _Saved:
    """What the arrays of a launch held before it.

    A launch that reads memory that nothing has written is repeated with other code, which follows such values; one that
    is counted, with code that counts.

    Parameters
    ----------
    always : whether the arrays are copied in any case
    """

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self._contents: list[tuple[int, bytes]] = []
        self._written: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    def save(self, arguments: Arguments, *, makes_arrays: bool) -> None:
        """Copy the arrays if the launch may read memory that nothing has written."""
        shadowed = any(region.record[at.R_SHADOW] for region in arguments.regions)
        if not self._always and not makes_arrays and not shadowed:
            return
        for region in arguments.regions:
            if any(array.flags.writeable for _, array in region.arrays):
                self._contents.append((region.start, ctypes.string_at(region.start, region.stop - region.start)))
            written = written_bytes(region.start, region.stop)
            if written is not None:
                self._written.append((written, written.copy()))

    def restore(self) -> None:
        """Copy them back."""
        for start, content in self._contents:
            ctypes.memmove(start, content, len(content))
        for written, before in self._written:
            written[:] = before

    def now(self) -> _Saved:
        """Return what the same arrays hold now."""
        found = _Saved(always=True)
        found._contents = [(start, ctypes.string_at(start, len(content))) for start, content in self._contents]
        found._written = [(written, written.copy()) for written, _ in self._written]
        return found


def _launched(
    function: Callable[..., Any],
    dimensions: _Dimensions,
    arguments: Arguments,
    entry: CompiledKernel,
    saved: _Saved | None,
    only: list[int] | None,
) -> tuple[Hazard, ...]:
    """Run machine code once, for some blocks only if they are given, and return the hazards."""
    grid, block, _ = dimensions
    tables = _set_up(function, dimensions, arguments, entry, saved, only, watch=current().hazards)
    _run()
    about = Launch(function.__name__, grid, block, arguments.regions)
    hazards = (describe(record, about) for record in tables.hazards())
    return tuple(sorted(hazards, key=lambda each: each.is_warning))


def _counted(
    function: Callable[..., Any],
    dimensions: _Dimensions,
    arguments: Arguments,
    saved: _Saved,
    only: list[int] | None,
) -> LaunchCounters:
    """Run a launch once more, from the arrays that it had, and return its counters."""
    grid, block, dynamic_bytes = dimensions
    entry = kernel_entry(function, arguments.kinds, watch=True, count=True)
    chosen = chosen_blocks(grid)
    after = saved.now()
    try:
        while True:
            saved.restore()
            runs = None if only is None else chosen
            tables = _set_up(function, dimensions, arguments, entry, None, runs, watch=False)
            record = Record(state.WORDS, prod(grid), chosen)
            _run()
            del tables
            if not record.is_cut or len(chosen) == 1:
                break
            chosen = chosen[: len(chosen) // 2]
        arrays = [
            (", ".join(dict.fromkeys(name for name, _ in each.arrays)), each.stop - each.start)
            for each in arguments.regions
        ]
        return read_events(record.events(), function, grid, block, dynamic_bytes, chosen, arrays, cut=record.is_cut)
    finally:
        after.restore()


def _set_up(
    function: Callable[..., Any],
    dimensions: _Dimensions,
    arguments: Arguments,
    entry: CompiledKernel,
    saved: _Saved | None,
    only: list[int] | None,
    *,
    watch: bool,
) -> Tables:
    """Let the state describe a launch, and return its tables; keep what the arrays hold in ``saved``, if it is given."""
    settings = current()
    grid, block, dynamic_bytes = dimensions
    try:
        arguments.set_up(entry.captures, watch=watch, by_bytes=entry.by_bytes)
        if saved is not None:
            saved.save(arguments, makes_arrays=entry.makes_arrays)
        seed = settings.seed if settings.seed is not None else _seed_of(arguments, grid, block)
        size = prod(block)
        tables = Tables(prod(grid), size, arguments, seed, dynamic_bytes, by_bytes=entry.by_bytes, only=only)
    except (MemoryError, OSError):
        raise MemoryError(
            f"{function.__name__}: the simulator has too little memory for {prod(grid) * prod(block):,} threads on "
            "these arrays; launch fewer threads, on smaller arrays"
        ) from None
    words = state.WORDS
    words[at.BLOCK_DIM_X : at.BLOCK_DIM_X + 3] = block
    words[at.GRID_DIM_X : at.GRID_DIM_X + 3] = grid
    words[at.KERNEL] = entry.address
    words[at.HAZARDS_ON] = watch
    words[at.ALLOW_SAME] = settings.allow_same_value
    words[at.ALLOW_NEGATIVE] = settings.allow_negative_index
    words[at.NEGATIVE_FAILS] = settings.strict and not settings.allow_negative_index
    words[at.RETURN_FAILS] = settings.strict or settings.capability < VOLTA
    return tables


def _run() -> None:
    """Run the launch that the state describes; one that is stopped forgets the shared memory of its blocks."""
    try:
        _run_interruptibly()
    finally:
        if state.WORDS[at.STOPPED]:
            forget_chunks()


def _run_interruptibly() -> None:
    """Run it; keep the main thread free to receive Ctrl-C, which ends it."""
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64)(entries().run)
    if threading.current_thread() is not threading.main_thread():
        run(state.ADDRESS)
        return
    thread = threading.Thread(target=run, args=(state.ADDRESS,))
    thread.start()
    try:
        thread.join()
    except BaseException:
        state.WORDS[at.STOPPED] = 3
        thread.join()
        raise


def _seed_of(arguments: Arguments, grid: tuple[int, ...], block: tuple[int, ...]) -> int:
    """Return a seed derived from a launch, equal for equal launches: arguments count by value, not by address."""
    sums = [
        zlib.crc32(array.tobytes()) for region in arguments.regions for _, array in region.arrays if array.size < 4096
    ]
    return zlib.crc32(repr((grid, block, sums)).encode())
