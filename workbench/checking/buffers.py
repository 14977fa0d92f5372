"""Arrays between guard zones, which reveal reads and writes outside the arrays.

Every array has a separate buffer. Before it, after it and, if it is strided, between its elements the buffer holds a filler:
NaN, which propagates through any sum that reads it, or a number, which any sum written back changes.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.memory.devices import Array, Device

GUARD = (32, 4096)
"""The least and most elements of the zones before and after every array. Within these limits a zone is as large as the
array, so that an access one plane too far still hits it."""

FILLERS = (np.nan, 1.2345e30)
"""The contents of guard zones of floats; those of integers hold the smallest integer."""

DEVICE_LAYOUTS = ("contiguous", "step")
"""The layouts that views of device arrays can have."""


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """One array in its buffer, on a device.

    Attributes
    ----------
    name : the name of the argument
    image : a copy of the buffer's initial bytes, on the host
    whole : the buffer on its device, flat
    view : the array in the buffer
    layout : the array's layout in the buffer
    """

    name: str
    image: NDArray[np.uint8]
    whole: Array
    view: Array
    layout: str

    def contents(self, device: Device) -> NDArray[Any]:
        """Copy the array to the host."""
        return _view(device.to_host(self.whole).copy(), self.view.shape, self.view.dtype, self.layout)

    def changed_outside(self, device: Device) -> bool:
        """Return whether anything in the buffer outside the array has changed."""
        now = device.to_host(self.whole).copy()
        _view(now, self.view.shape, self.view.dtype, self.layout)[...] = _view(
            self.image, self.view.shape, self.view.dtype, self.layout
        )
        return now.tobytes() != self.image.tobytes()

    def changed(self, device: Device) -> bool:
        """Return whether anything in the buffer has changed."""
        return bool(device.to_host(self.whole).tobytes() != self.image.tobytes())


def lay_out(name: str, array: NDArray[Any], layout: str, device: Device, filler: float) -> Guarded:
    """Copy ``array`` into a new buffer on ``device``, in a layout of LAYOUTS, between guard zones of ``filler``."""
    on_host = device.name == "cpu"
    if not on_host and (layout not in DEVICE_LAYOUTS or array.ndim == 0):
        layout = DEVICE_LAYOUTS[0]
    around = filler if array.dtype.kind == "f" else np.iinfo(array.dtype).min
    guard = _guard(array.size)
    length = _spread(layout) * array.size + 2 * guard
    image = np.zeros((length + 1) * array.dtype.itemsize, np.uint8)
    _fill(image, around, length, array.dtype, layout)
    _view(image, array.shape, array.dtype, layout)[...] = array
    if on_host:
        whole = image.copy()
        view = _view(whole, array.shape, array.dtype, layout)
        view.flags.writeable = layout != "read-only"
        return Guarded(name=name, image=image, whole=whole, view=view, layout=layout)
    whole = device.from_host(image.view(array.dtype))
    if layout == "step":
        wide = (*array.shape[:-1], 2 * array.shape[-1])
        view = whole[guard : guard + 2 * array.size].reshape(wide)[..., ::2]
    else:
        view = whole[guard : guard + array.size].reshape(array.shape)
    return Guarded(name=name, image=image, whole=whole, view=view, layout=layout)


def replace(guarded: Guarded, array: NDArray[Any], device: Device) -> Guarded:
    """Put other values into the same memory."""
    image = guarded.image.copy()
    _view(image, array.shape, array.dtype, guarded.layout)[...] = array
    if device.name == "cpu":
        guarded.whole[...] = image
    else:
        guarded.whole.copy_to_device(image.view(array.dtype))
    return Guarded(name=guarded.name, image=image, whole=guarded.whole, view=guarded.view, layout=guarded.layout)


def _fill(image: NDArray[np.uint8], around: float, length: int, dtype: np.dtype[Any], layout: str) -> None:
    """Fill a buffer with a number, aligned as the elements that a kernel would read."""
    np.ndarray(length, dtype, buffer=image, offset=_shift(layout))[...] = around


def _shift(layout: str) -> int:
    return 1 if layout == "unaligned" else 0


def _guard(size: int) -> int:
    least, most = GUARD
    return max(least, min(size, most))


def _spread(layout: str) -> int:
    return 2 if layout in ("step", "transposed") else 1


def _view(buffer: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], layout: str) -> NDArray[Any]:
    """View the array inside a buffer: after the guard zone, with the strides of its layout."""
    size, item = prod(shape), dtype.itemsize
    spread = _spread(layout) * item
    order = range(len(shape)) if layout == "transposed" else reversed(range(len(shape)))
    strides, step = [0] * len(shape), spread
    for axis in order:
        strides[axis] = step
        step *= max(shape[axis], 1)
    offset = _guard(size) * item + _shift(layout)
    if layout == "negative" and size:
        offset += (size - 1) * item
        strides = [-stride for stride in strides]
    return np.ndarray(shape, dtype, buffer=buffer, offset=offset, strides=tuple(strides))
