"""What host code meets in the simulator: events with the host's clock, arrays with ``__cuda_array_interface__``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Event:
    """An event that notes the host's clock, by which everything before it is done."""

    def __init__(self, timing: bool = True) -> None:
        self._timing, self._time = timing, 0.0

    def record(self, stream: Any = 0) -> None:  # noqa: ARG002 - there is one stream
        """Note the time."""
        self._time = time.perf_counter()

    def query(self) -> bool:
        """Whether what was before it is done."""
        return True

    def wait(self, stream: Any = 0) -> None:
        """Do nothing: there is one stream."""

    def synchronize(self) -> None:
        """Do nothing: launches end before they return."""

    def elapsed_time(self, event: Event) -> float:
        """Return the milliseconds from this event to another."""
        if self._time == 0.0 or event._time == 0.0:
            raise RuntimeError("an event whose time is asked for has not been recorded")
        return (event._time - self._time) * 1e3


def interface(array: Any) -> dict[str, Any]:
    """Return ``__cuda_array_interface__``, version 3, of an array of the simulator: its pointer is the host's."""
    host = array._ary.__array_interface__
    strides = None if array._ary.flags.c_contiguous else array._ary.strides
    return {
        "shape": tuple(array._ary.shape),
        "strides": strides,
        "typestr": host["typestr"],
        "data": (host["data"][0] if array._ary.size > 0 else 0, False),
        "stream": None,
        "version": 3,
    }


def event_elapsed_time(start: Event, end: Event) -> float:
    """Return the milliseconds between two events."""
    return start.elapsed_time(end)


def device_array_over(shape: Any, strides: Any, dtype: Any, stream: Any = 0, gpu_data: Any = None) -> Any:
    """Return an array of the simulator over the memory of another, as ``DeviceNDArray`` does."""
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    extent, steps = np.atleast_1d(shape).tolist(), np.atleast_1d(strides).tolist()
    if gpu_data is None:
        return FakeCUDAArray(np.ndarray(extent, dtype, strides=steps))
    return FakeCUDAArray(np.lib.stride_tricks.as_strided(gpu_data, extent, steps))


class _Foreign:
    """Memory that another object owns, for NumPy."""

    def __init__(self, owner: Any, interface: dict[str, Any]) -> None:
        self._owner = owner
        self.__array_interface__ = {name: interface.get(name) for name in ("shape", "strides", "typestr", "data")} | {
            "version": 3
        }


def as_cuda_array(value: Any, sync: bool = True) -> Any:
    """Return an array of the simulator over the memory of an object with ``__cuda_array_interface__``."""
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    if isinstance(value, FakeCUDAArray):
        return value
    memory = array_of(value)
    if memory is None:
        raise TypeError(f"{type(value).__name__} is not a CUDA array: it has no __cuda_array_interface__")
    return FakeCUDAArray(memory)


def from_cuda_array_interface(interface: dict[str, Any], owner: Any = None, sync: bool = True) -> Any:
    """Return an array of the simulator over the memory that a ``__cuda_array_interface__`` describes."""
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    return FakeCUDAArray(np.asarray(_Foreign(owner, interface)))


def is_cuda_array(value: Any) -> bool:
    """Whether an object has ``__cuda_array_interface__``."""
    return hasattr(value, "__cuda_array_interface__")


def array_of(value: Any) -> NDArray[Any] | np.void | None:
    """Return the memory of an array of the simulator, or of an object with ``__cuda_array_interface__``; None of others.

    Of a record in device memory that is the record.
    """
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    if isinstance(value, FakeCUDAArray):
        memory = np.asarray(value._ary)
        return memory[()] if memory.ndim == 0 and memory.dtype.names else memory
    if isinstance(value, np.ndarray | np.generic | type):
        return None
    interface = getattr(value, "__cuda_array_interface__", None)
    return None if interface is None else np.asarray(_Foreign(value, interface))
