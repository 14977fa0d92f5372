"""Arrays between guard zones, which reveal reads and writes outside the arrays.

Every array has a separate buffer. Before it, after it and, if it is strided, between its elements the buffer holds a filler:
NaN, which propagates through any sum that reads it, or a number, which any sum written back changes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.memory.devices import Array, Device
from workbench.sampling.layouts import CONTIGUOUS, DEVICE_LAYOUTS, GAPS, axes_in_memory

GUARD = (32, 4096)
"""The least and most elements of the zones before and after every array. Within these limits a zone is as large as the
array, so that an access one plane too far still hits it."""

FILLERS = (np.nan, 1.2345e30)
"""The contents of guard zones of floats; those of integers hold the smallest integer, of unsigned ones the largest."""


@dataclass(frozen=True, kw_only=True)
class LaidOut:
    """One array between guard zones, as the bytes of the buffer that it is to be passed in.

    Attributes
    ----------
    name : the name of the argument
    image : the bytes of the buffer before the call
    shape, dtype : those of the array
    layout : the array's layout in the buffer
    bare : whether the array has no guard zones and no buffer, but memory of its own
    """

    name: str
    image: NDArray[np.uint8]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    layout: str
    bare: bool = False

    def contents(self, after: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the array in the buffer's bytes after a call."""
        return self._view(after)

    def changed_outside(self, after: NDArray[np.uint8]) -> bool:
        """Return whether anything in the buffer outside the array has changed."""
        now = after.copy()
        self._view(now)[...] = self._view(self.image)
        return now.tobytes() != self.image.tobytes()

    def changed(self, after: NDArray[np.uint8]) -> bool:
        """Return whether anything in the buffer has changed."""
        return after.tobytes() != self.image.tobytes()

    def replaced(self, array: NDArray[Any]) -> LaidOut:
        """Return another array of this shape in the same layout."""
        image = self.image.copy()
        self._view(image)[...] = array
        return dataclasses.replace(self, image=image)

    def _view(self, buffer: NDArray[np.uint8]) -> NDArray[Any]:
        if self.bare:
            return buffer.view(self.dtype).reshape(self.shape)
        return _view(buffer, self.shape, self.dtype, self.layout)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An array in its buffer, on a device.

    Attributes
    ----------
    whole : the buffer, flat; of a bare array the array itself
    view : the array in it
    """

    whole: Array
    view: Array

    def contents(self, device: Device) -> NDArray[np.uint8]:
        """Copy the buffer's bytes to the host."""
        return np.ravel(device.to_host(self.whole)).copy().view(np.uint8)

    def put(self, laid: LaidOut, device: Device) -> None:
        """Put another array of the same form into the same memory."""
        if device.name == "cpu":
            whole = self.whole if self.whole.dtype == np.uint8 else self.whole.reshape(-1).view(np.uint8)
            whole[...] = laid.image
        else:
            self.whole.copy_to_device(laid.image.view(laid.dtype))


def lay_out(name: str, array: NDArray[Any], layout: str, kind: str, filler: float, *, bare: bool = False) -> LaidOut:
    """Lay an array out for a kind of device, in a layout of LAYOUTS, between guard zones of ``filler``."""
    if kind != "cpu" and (layout not in DEVICE_LAYOUTS or array.ndim == 0):
        layout = CONTIGUOUS
    if bare:
        image = np.frombuffer(array.tobytes(), np.uint8).copy()
        return LaidOut(name=name, image=image, shape=array.shape, dtype=array.dtype, layout=CONTIGUOUS, bare=True)
    around = filler if array.dtype.kind == "f" else _far(array.dtype)
    length = _spread(layout) * array.size + 2 * _guard(array.size)
    image = np.zeros((length + 1) * array.dtype.itemsize, np.uint8)
    _fill(image, around, length, array.dtype, layout)
    _view(image, array.shape, array.dtype, layout)[...] = array
    return LaidOut(name=name, image=image, shape=array.shape, dtype=array.dtype, layout=layout)


def place(laid: LaidOut, device: Device, *, gives: bool = False) -> Placed:
    """Put a laid out array into new memory of a device; if ``laid`` ``gives`` its bytes away, on the CPU they are it."""
    if laid.bare:
        array = laid.image.view(laid.dtype).reshape(laid.shape).copy()
        own = array if device.name == "cpu" else device.from_host(array)
        return Placed(whole=own, view=own)
    if device.name == "cpu":
        whole = laid.image if gives else laid.image.copy()
        view = _view(whole, laid.shape, laid.dtype, laid.layout)
        view.flags.writeable = laid.layout != "read-only"
        return Placed(whole=whole, view=view)
    size, guard = prod(laid.shape), _guard(prod(laid.shape))
    whole = device.from_host(laid.image.view(laid.dtype))
    if laid.layout == "step":
        wide = (*laid.shape[:-1], 2 * laid.shape[-1])
        view = whole[guard : guard + 2 * size].reshape(wide)[..., ::2]
    else:
        order = "F" if laid.layout == "fortran" else "C"
        view = whole[guard : guard + size].reshape(laid.shape, order=order)
    return Placed(whole=whole, view=view)


def _far(dtype: np.dtype[Any]) -> int:
    """Return the integer that is the farthest from zero."""
    limits = np.iinfo(dtype)
    return int(limits.min or limits.max)


def _fill(image: NDArray[np.uint8], around: float, length: int, dtype: np.dtype[Any], layout: str) -> None:
    """Fill a buffer with a number, aligned as the elements that a kernel would read."""
    np.ndarray(length, dtype, buffer=image, offset=_shift(layout))[...] = around


def _shift(layout: str) -> int:
    return 1 if layout == "unaligned" else 0


def _guard(size: int) -> int:
    least, most = GUARD
    return max(least, min(size, most))


def _spread(layout: str) -> int:
    return 2 if layout in GAPS else 1


def _view(buffer: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], layout: str) -> NDArray[Any]:
    """View the array inside a buffer: after the guard zone, with the strides of its layout."""
    size, item = prod(shape), dtype.itemsize
    spread = _spread(layout) * item
    strides, step = [0] * len(shape), spread
    for axis in reversed(axes_in_memory(layout, len(shape))):
        strides[axis] = step
        step *= max(shape[axis], 1)
    offset = _guard(size) * item + _shift(layout)
    if layout == "negative" and size:
        offset += (size - 1) * item
        strides = [-stride for stride in strides]
    return np.ndarray(shape, dtype, buffer=buffer, offset=offset, strides=tuple(strides))
