"""The simulator's host API: events with the host's clock, and arrays over the memory of other objects."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from workbench.numba_internals.cuda_simulator import FakeCUDAArray
from workbench.sim.common.device_arrays import array_of, array_over


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
