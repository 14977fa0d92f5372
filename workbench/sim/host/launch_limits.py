"""What no GPU would launch: too many threads or blocks, too much shared memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import prod
from typing import Any

from workbench.sim.common import sites
from workbench.sim.common.errors import Hazard, KernelHazard
from workbench.sim.common.settings import MAX_BLOCK, MAX_GRID, MAX_THREADS, current
from workbench.system.compute_capability import LIMITS


def check_limits(
    function: Callable[..., Any], grid: tuple[int, ...], block: tuple[int, ...], dynamic_bytes: int, most: int
) -> None:
    """Refuse what no GPU of the chosen capability would launch.

    Parameters
    ----------
    function : the kernel's Python function
    grid, block : blocks and threads along x, y, z
    dynamic_bytes : dynamic shared memory of a block
    most : threads in a block that the kernel is compiled for

    Raises
    ------
    KernelHazard
        Of kind "limit", at the line of the kernel's ``def``.
    """
    capability = current().capability
    allowed = LIMITS[capability].shared_bytes_per_block
    fault = ""
    if min(grid) < 1:
        fault = f"a grid of {grid}; a GPU needs one block at least: launch nothing where there is nothing to do"
    elif min(block) < 1:
        fault = f"a block of {block}; a GPU needs one thread at least"
    elif prod(block) > MAX_THREADS:
        fault = f"a block of {prod(block)} threads; a GPU runs at most {MAX_THREADS} in one"
    elif prod(block) > most:
        fault = f"a block of {prod(block)} threads; its launch_bounds allow {most}"
    elif any(size > limit for size, limit in zip(block, MAX_BLOCK, strict=True)):
        fault = f"a block of {block}; a GPU runs at most {MAX_BLOCK}"
    elif any(size > limit for size, limit in zip(grid, MAX_GRID, strict=True)):
        fault = f"a grid of {grid}; a GPU runs at most {MAX_GRID}"
    elif dynamic_bytes > allowed:
        fault = (
            f"{dynamic_bytes} bytes of dynamic shared memory; compute capability {capability[0]}.{capability[1]} has at "
            f"most {allowed} for a block"
        )
    if fault:
        site = sites.Site(function=function.__name__, file=function.__code__.co_filename, line=_def_line(function))
        summary = f"{function.__name__} is launched with {fault}"
        raise KernelHazard(
            (Hazard(kind="limit", kernel=function.__name__, sites=(site,), summary=summary, text=summary),)
        )


def most_threads(launch_bounds: Any) -> int:
    """Return how many threads a block of a kernel may have that was given ``launch_bounds``, which may be None."""
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
