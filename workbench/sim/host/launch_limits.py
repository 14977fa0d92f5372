"""Check launches against the GPU's limits on threads, blocks and shared memory."""

import inspect
from collections.abc import Callable
from math import prod
from typing import Any

from workbench.sim.common import sites
from workbench.sim.common.errors import Hazard, KernelHazard
from workbench.sim.common.settings import MAX_BLOCK, MAX_GRID, MAX_THREADS, current
from workbench.system.compute_capability import SIMULATED


def check_limits(
    function: Callable[..., Any], grid: tuple[int, ...], block: tuple[int, ...], dynamic_bytes: int, most: int
) -> None:
    """Refuse a launch that a GPU of the chosen compute capability would not run.

    Parameters
    ----------
    function : the kernel's Python function
    grid, block : blocks and threads along x, y, z
    dynamic_bytes : dynamic shared memory per block
    most : the most threads per block that the kernel is compiled for

    Raises
    ------
    KernelHazard
        The launch exceeds a limit: a hazard of kind "limit", at the line of the kernel's ``def``.
    """
    __tracebackhide__ = True
    capability = current().capability
    allowed = SIMULATED[capability].shared_bytes_per_block
    fault = ""
    if min(grid) < 1:
        fault = f"a grid of {grid}; a GPU needs at least one block: skip the launch if there is no work"
    elif min(block) < 1:
        fault = f"a block of {block}; a GPU needs at least one thread"
    elif prod(block) > MAX_THREADS:
        fault = f"a block of {prod(block)} threads; a GPU allows at most {MAX_THREADS} per block"
    elif prod(block) > most:
        fault = f"a block of {prod(block)} threads; its launch_bounds allow {most}"
    elif any(size > limit for size, limit in zip(block, MAX_BLOCK, strict=True)):
        fault = f"a block of {block}; a GPU allows at most {MAX_BLOCK}"
    elif any(size > limit for size, limit in zip(grid, MAX_GRID, strict=True)):
        fault = f"a grid of {grid}; a GPU allows at most {MAX_GRID}"
    elif dynamic_bytes > allowed:
        fault = (
            f"{dynamic_bytes} bytes of dynamic shared memory; compute capability {capability[0]}.{capability[1]} allows at "
            f"most {allowed} per block"
        )
    if fault:
        site = sites.Site(function=function.__name__, file=function.__code__.co_filename, line=_def_line(function))
        summary = f"{function.__name__} is launched with {fault}"
        raise KernelHazard(
            (Hazard(kind="limit", kernel=function.__name__, sites=(site,), summary=summary, text=summary),)
        )


def most_threads(launch_bounds: Any) -> int:
    """Return the most threads per block under a kernel's ``launch_bounds``, which may be None."""
    if launch_bounds is None:
        return MAX_THREADS
    return int(launch_bounds if isinstance(launch_bounds, int) else launch_bounds[0])


def _def_line(function: Callable[..., Any]) -> int:
    """Return the line of a function's ``def``, below its decorators."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return function.__code__.co_firstlineno
    return next((first + place for place, line in enumerate(lines) if line.lstrip().startswith("def ")), first)
