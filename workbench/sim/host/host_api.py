"""The simulator's host API: device arrays, what is written to them, and arrays over the memory of other objects."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.numba_internals.cuda_simulator import FakeCUDAArray
from workbench.sim.common.device_arrays import array_of, array_over
from workbench.sim.host import timeline
from workbench.sim.host.allocations import allocate, initialize
from workbench.sim.host.streams import queue_of
from workbench.sim.host.timeline import footprint_of
from workbench.sim.host.visible_arrays import VisibleArray, is_pinned, plain

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


def copying_to_device(copy: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``copy_to_device`` of a device array, recorded on its stream, with the memory registered as written."""

    @functools.wraps(copy)
    def copy_to_device(self: Any, ary: Any, stream: Any = 0) -> Any:
        source = plain(ary) if isinstance(ary, VisibleArray) else ary
        done = copy(self, source, stream)
        initialize(self._ary)
        queue, reads = stream or self.stream, array_of(ary)
        if reads is None and isinstance(ary, np.ndarray) and is_pinned(ary):
            reads = source
        _submit("a copy to the device", queue, reads, self._ary, waits=not queue)
        return done

    return copy_to_device


def copying_to_host(copy: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``copy_to_host`` of a device array, recorded on its stream; into pageable memory the host waits for it."""

    @functools.wraps(copy)
    def copy_to_host(self: Any, ary: Any = None, stream: Any = 0) -> Any:
        queue = stream or self.stream
        goes_on = bool(queue) and ary is not None and is_pinned(ary)
        target = plain(ary) if goes_on else None
        found = copy(self, ary if target is None else target, stream)
        _submit("a copy to the host", queue, self._ary, target, waits=not goes_on)
        return found if ary is None else ary

    return copy_to_host


def copying_new(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``to_device``, whose copy is recorded on its stream."""

    @functools.wraps(make)
    def to_device(obj: Any, stream: Any = 0, copy: bool = True, to: Any = None) -> Any:
        source = plain(obj) if isinstance(obj, VisibleArray) else obj
        made = make(source, stream, copy, to)
        if to is None:
            reads = source if isinstance(obj, VisibleArray) else None
            _submit("a copy to the device", stream, reads, made._ary, waits=not stream)
        return made

    return to_device


def _submit(what: str, stream: Any, read: Any, written: Any, *, waits: bool) -> None:
    """Record a copy if its order may matter."""
    __tracebackhide__ = True
    if timeline.is_watched() or not waits:
        footprints = [footprint_of(each, writes=each is written) for each in (read, written) if each is not None]
        timeline.submit(queue_of(stream), what, footprints, waits=waits)
    elif timeline.is_pending():
        timeline.host_waits(queue_of(stream))


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
