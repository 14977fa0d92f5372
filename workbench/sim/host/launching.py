"""Launch a kernel: set up the runtime's tables, run it, and collect its hazards."""

import ctypes
import inspect
import threading
import warnings
import zlib
from collections.abc import Callable
from math import prod
from typing import Any

from workbench.sim.common import state
from workbench.sim.common.errors import HazardWarning, KernelHazard
from workbench.sim.common.settings import VOLTA, current
from workbench.sim.compiler.compilation import kernel_entry
from workbench.sim.host.arguments import Arguments
from workbench.sim.host.describing import describe
from workbench.sim.host.readable_places import Launch
from workbench.sim.host.tables import Tables, forget_chunks
from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entries import entries

_lock = threading.RLock()


def launch(
    function: Callable[..., Any],
    grid: tuple[int, int, int],
    block: tuple[int, int, int],
    dynamic_bytes: int,
    values: tuple[Any, ...],
) -> None:
    """Run a kernel in place on NumPy arrays.

    Parameters
    ----------
    function : the kernel's Python function
    grid, block : blocks and threads along x, y, z
    dynamic_bytes : dynamic shared memory per block
    values : arrays, numbers and tuples of them

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
    with _lock:
        arguments = Arguments(names, values)
        entries()
        entry = kernel_entry(function, arguments.kinds, watch=settings.hazards)
        try:
            arguments.set_up(entry.captures, watch=settings.hazards, by_bytes=entry.by_bytes)
            seed = settings.seed if settings.seed is not None else _seed_of(arguments, grid, block)
            tables = Tables(prod(grid), prod(block), arguments, seed, dynamic_bytes, by_bytes=entry.by_bytes)
        except (MemoryError, OSError):
            raise MemoryError(
                f"{function.__name__}: the simulator has too little memory for {prod(grid) * prod(block):,} threads on "
                "these arrays; launch fewer threads, on smaller arrays"
            ) from None
        words = state.WORDS
        words[at.BLOCK_DIM_X : at.BLOCK_DIM_X + 3] = block
        words[at.GRID_DIM_X : at.GRID_DIM_X + 3] = grid
        words[at.KERNEL] = entry.address
        words[at.HAZARDS_ON] = settings.hazards
        words[at.ALLOW_SAME] = settings.allow_same_value
        words[at.ALLOW_NEGATIVE] = settings.allow_negative_index
        words[at.RETURN_FAILS] = settings.strict or settings.capability < VOLTA
        try:
            _run()
            about = Launch(function.__name__, grid, block, arguments.regions)
            hazards = tuple(describe(record, about) for record in tables.hazards())
            hazards = tuple(sorted(hazards, key=lambda each: each.is_warning))
            overflowed = words[at.STOPPED] == 2
        finally:
            if words[at.STOPPED]:
                forget_chunks()
    if not all(each.is_warning for each in hazards):
        raise KernelHazard(hazards)
    for each in hazards:
        warnings.warn(HazardWarning(each), stacklevel=3)
    if overflowed:
        raise RuntimeError(
            f"{function.__name__}: its fences and atomic operations publish more in one launch than the simulator can "
            "follow; make the launch smaller, or turn hazards off"
        )


def _run() -> None:
    """Run the launch that the state describes; keep the main thread free to receive Ctrl-C, which ends it."""
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
