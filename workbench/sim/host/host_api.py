"""The simulator's host API: events with the host's clock, and arrays over the memory of other objects."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.numba_internals.cuda_simulator import FakeCUDAArray
from workbench.sim.common.device_arrays import array_of, array_over
from workbench.sim.host.allocations import allocate, initialize


class Event:
    """An event that records the host's clock; all earlier work is finished by then."""

    def __init__(self, timing: bool = True) -> None:
        self._timing, self._time = timing, 0.0

    def record(self, stream: Any = 0) -> None:  # noqa: ARG002 - there is one stream
        """Record the time."""
        self._time = time.perf_counter()

    def query(self) -> bool:
        """Return whether all earlier work is finished."""
        return True

    def wait(self, stream: Any = 0) -> None:
        """Do nothing: there is one stream."""

    def synchronize(self) -> None:
        """Do nothing: launches are synchronous."""

    def elapsed_time(self, event: Event) -> float:
        """Return the milliseconds from this event to another."""
        if self._time == 0.0 or event._time == 0.0:
            raise RuntimeError("both events must be recorded before their elapsed time is read")
        return (event._time - self._time) * 1e3


def event_elapsed_time(start: Event, end: Event) -> float:
    """Return the milliseconds between two events."""
    return start.elapsed_time(end)


_CHANGE = {"fill", "sort", "partition", "put", "itemset", "setfield", "data", "ctypes", "__array_interface__"}
"""Attributes of NumPy arrays through which their memory may be written."""


def allocating(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes a device array, with its memory registered as not written."""

    @functools.wraps(make)
    def allocate_array(*arguments: Any, **options: Any) -> Any:
        made = make(*arguments, **options)
        allocate(made._ary)
        return made

    return allocate_array


def initialized(array: Any) -> Any:
    """Return a device array, with its memory registered as written: it will be, or others learn its address."""
    initialize(array._ary)
    return array


def initializing(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that writes to a device array, with its memory registered as written."""

    @functools.wraps(change)
    def changing(self: Any, *arguments: Any, **options: Any) -> Any:
        done = change(self, *arguments, **options)
        initialize(self._ary)
        return done

    return changing


def assigning(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``__setitem__`` of a device array, with what it assigns registered as written."""

    @functools.wraps(change)
    def assign(self: Any, index: Any, value: Any) -> None:
        change(self, index, value)
        parts = index if isinstance(index, tuple) else (index,)
        view = self._ary[parts if any(each is ... for each in parts) else (*parts, ...)]  # a view of one element too
        is_view = isinstance(view, np.ndarray) and np.may_share_memory(view, self._ary)
        initialize(view if is_view else self._ary)

    return assign


def attribute_of_array(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``__getattr__`` of a device array, which has the attributes of its NumPy array."""

    @functools.wraps(plain)
    def attribute(self: Any, name: str) -> Any:
        if name in _CHANGE:
            initialize(self._ary)
        return plain(self, name)

    return attribute


def device_array_over(shape: Any, strides: Any, dtype: Any, stream: Any = 0, gpu_data: Any = None) -> Any:
    """Return an array of the simulator over the memory of another array, as ``DeviceNDArray`` does."""
    extent, steps = np.atleast_1d(shape).tolist(), np.atleast_1d(strides).tolist()
    if gpu_data is None:
        return FakeCUDAArray(np.ndarray(extent, dtype, strides=steps))
    return FakeCUDAArray(np.lib.stride_tricks.as_strided(gpu_data, extent, steps))


def as_cuda_array(value: Any, sync: bool = True) -> Any:
    """Return an array of the simulator over the memory of an object with ``__cuda_array_interface__``."""
    if isinstance(value, FakeCUDAArray):
        return value
    memory = array_of(value)
    if memory is None:
        raise TypeError(f"{type(value).__name__} is not a CUDA array: it has no __cuda_array_interface__")
    return FakeCUDAArray(memory)


def from_cuda_array_interface(interface: dict[str, Any], owner: Any = None, sync: bool = True) -> Any:
    """Return an array of the simulator over the memory that a ``__cuda_array_interface__`` describes."""
    return FakeCUDAArray(array_over(interface, owner))


def is_cuda_array(value: Any) -> bool:
    """Return whether an object has ``__cuda_array_interface__``."""
    return hasattr(value, "__cuda_array_interface__")
