"""How kernels are simulated: what is watched, in which order threads run, which GPU's limits hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

from workbench.system.compute_capability import LIMITS, ComputeCapability
from workbench.system.errors import InputError

STATIC_LIMIT = 48 << 10
"""Bytes of shared memory that arrays of constant shape may have together, on every GPU."""

MAX_THREADS = 1024
MAX_BLOCK = (1024, 1024, 64)
MAX_GRID = (2**31 - 1, 65_535, 65_535)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How launches are simulated.

    Attributes
    ----------
    hazards : whether races and reads of unwritten shared memory are looked for; indices outside arrays always are
    seed : the order in which threads, warps and blocks run: 0 as they are numbered, 1 backwards, others at random; None:
        every launch draws its own from its arguments
    allow_same_value : whether two threads may write the same value to one element
    capability : the compute capability whose limits hold
    """

    hazards: bool = True
    seed: int | None = None
    allow_same_value: bool = False
    capability: ComputeCapability = (9, 0)


_NAMES = tuple(each.name for each in fields(Settings))

_current: ContextVar[Settings] = ContextVar("simulation")
_outermost = [Settings()]
"""What holds in Python threads that have no settings of their own: those of the first ``simulating`` that is open."""


def current() -> Settings:
    """Return what holds now."""
    return _current.get(_outermost[-1])


@contextmanager
def simulating(**changes: Any) -> Iterator[Settings]:
    """Simulate with other settings inside the block: ``hazards``, ``seed``, ``allow_same_value``, ``capability``.

    Raises
    ------
    InputError
        A setting is not known, the seed is no seed, the capability is not one whose limits are known.
    """
    unknown = changes.keys() - set(_NAMES)
    if unknown:
        raise InputError(f"the simulator has no setting {', '.join(sorted(unknown))}; there are {', '.join(_NAMES)}")
    settings = replace(current(), **changes)
    if settings.seed is not None and (not isinstance(settings.seed, int) or settings.seed < 0):
        raise InputError(f"seed {settings.seed!r}: needs a whole number from 0, or None")
    if settings.capability not in LIMITS:
        known = ", ".join(f"{major}.{minor}" for major, minor in LIMITS)
        raise InputError(f"compute capability {settings.capability} is not known; there are {known}")
    first = len(_outermost) == 1
    if first:
        _outermost.append(settings)
    token = _current.set(settings)
    try:
        yield settings
    finally:
        _current.reset(token)
        if first:
            _outermost.pop()
