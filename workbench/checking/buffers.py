"""Arrays between guard zones: what is read outside them shows, what is written there is seen.

An array lies in a buffer of its own. Before it, behind it and, where it is strided, between its elements stands a filler:
NaN, which any sum passes on, or a number, which any sum that is written back changes.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.memory.devices import Array, Device

GUARD = (32, 4096)
"""Elements of the zones before and behind every array: as many as it has, but at least and at most these, so that a whole
plane away still hits them."""

FILLERS = (np.nan, 1.2345e30)
"""Of the guard zones, where values are floats; integers have their smallest one."""

DEVICE_LAYOUTS = ("contiguous", "step")
"""What device arrays can be given as views."""


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """One array in its buffer, on a device.

    Attributes
    ----------
    name : of the argument
    image : the buffer's bytes as they were laid out, on the host
    whole : the buffer on its device, flat
    view : the array in it
    layout : how the array lies in the buffer
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
        """Return whether anything in the buffer but the array is not as it was."""
        now = device.to_host(self.whole).copy()
        _view(now, self.view.shape, self.view.dtype, self.layout)[...] = _view(
            self.image, self.view.shape, self.view.dtype, self.layout
        )
        return now.tobytes() != self.image.tobytes()

    def changed(self, device: Device) -> bool:
        """Return whether anything in the buffer is not as it was."""
        return bool(device.to_host(self.whole).tobytes() != self.image.tobytes())


def lay_out(name: str, array: NDArray[Any], layout: str, device: Device, filler: float) -> Guarded:
    """Copy ``array`` into a buffer of its own on ``device``, in a layout of LAYOUTS, between guard zones of ``filler``."""
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
    """Fill a buffer with a number, at the addresses where a kernel would read it."""
    np.ndarray(length, dtype, buffer=image, offset=_shift(layout))[...] = around


def _shift(layout: str) -> int:
    return 1 if layout == "unaligned" else 0


def _guard(size: int) -> int:
    least, most = GUARD
    return max(least, min(size, most))


def _spread(layout: str) -> int:
    return 2 if layout in ("step", "transposed") else 1


def _view(buffer: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], layout: str) -> NDArray[Any]:
    """View the array inside a buffer: behind the guard zone, with the strides of its layout."""
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
