"""Settings of the simulator: what is watched, the order of threads, and the GPU whose limits apply."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

from workbench.system.compute_capability import SIMULATED, ComputeCapability
from workbench.system.errors import InputError

STATIC_LIMIT = 48 << 10
"""The most bytes of shared memory for all arrays of constant shape together, on every GPU."""

VOLTA: ComputeCapability = (7, 0)
"""The first compute capability whose threads of a warp have their own program counters."""

MAX_THREADS = 1024
MAX_BLOCK = (1024, 1024, 64)
MAX_GRID = (2**31 - 1, 65_535, 65_535)


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """How launches are simulated.

    Attributes
    ----------
    hazards : whether to detect races and reads of unwritten shared memory; indices outside arrays are always detected
    seed : determines the order of threads, warps and blocks: 0 ascending, 1 descending, others random; None: every launch
        derives its own from its arguments
    allow_same_value : whether two threads may write the same value to one element
    allow_negative_index : whether a computed index may count from the end, as Numba's do; constants such as ``x[-1]`` may
    capability : the compute capability whose limits apply
    strict : whether hazards that GPUs tolerate fail a launch; otherwise they are warnings: a return before a barrier since
        Volta, a negative index that is computed
    """

    hazards: bool = True
    seed: int | None = None
    allow_same_value: bool = False
    allow_negative_index: bool = False
    capability: ComputeCapability = (9, 0)
    strict: bool = False


_NAMES = tuple(each.name for each in fields(SimulatorSettings))

_current: ContextVar[SimulatorSettings] = ContextVar("simulation")
_for_others = [SimulatorSettings()]
"""The settings of Python threads that have set none: those of the last open block of the thread that opened the first."""
_opener = 0


def current() -> SimulatorSettings:
    """Return what holds now."""
    return _current.get(_for_others[-1])


@contextmanager
def simulating(**changes: Any) -> Iterator[SimulatorSettings]:
    """Simulate with other settings inside the block, those of ``SimulatorSettings``.

    Raises
    ------
    InputError
        A setting is unknown, the seed is invalid, or the limits of the compute capability are unknown.
    """
    global _opener
    unknown = changes.keys() - set(_NAMES)
    if unknown:
        raise InputError(f"the simulator has no setting {', '.join(sorted(unknown))}; choose from {', '.join(_NAMES)}")
    settings = replace(current(), **changes)
    if settings.seed is not None and (not isinstance(settings.seed, int) or settings.seed < 0):
        raise InputError(f"seed {settings.seed!r}: must be a non-negative integer or None")
    if settings.capability not in SIMULATED:
        known = ", ".join(f"{major}.{minor}" for major, minor in SIMULATED)
        raise InputError(f"compute capability {settings.capability} is unknown; choose from {known}")
    if len(_for_others) == 1:
        _opener = threading.get_ident()
    is_opener = threading.get_ident() == _opener
    if is_opener:
        _for_others.append(settings)
    token = _current.set(settings)
    try:
        yield settings
    finally:
        _current.reset(token)
        if is_opener:
            _for_others.pop()
