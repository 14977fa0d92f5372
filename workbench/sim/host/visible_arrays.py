"""Arrays in memory that both the host and the device use: managed, mapped and pinned ones.

The host's accesses through such an array, its views and NumPy's functions are checked; not those through ``np.asarray``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.sim.host import timeline
from workbench.sim.host.streams import queue_of


class VisibleArray(np.ndarray[Any, Any]):
    """An array in memory that the device uses too, while the host may go on."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        if not isinstance(found, np.ndarray):
            timeline.host_touches(plain(self)[_as_view(index)], writes=False)
        return found

    def __setitem__(self, index: Any, value: Any) -> None:
        timeline.host_touches(plain(super().__getitem__(_as_view(index))), writes=True)
        super().__setitem__(index, _plain_if_visible(value))

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        read = [_plain_if_visible(each) for each in inputs]
        if out is not None:
            for each in out:
                if isinstance(each, VisibleArray):
                    timeline.host_touches(plain(each), writes=True)
            options["out"] = tuple(plain(each) if isinstance(each, VisibleArray) else each for each in out)
        made = getattr(ufunc, method)(*read, **options)
        return out[0] if out is not None and len(out) == 1 else made

    def __array_function__(self, func: Any, _types: Any, arguments: Any, options: Any) -> Any:
        return func(*_plain_inside(arguments), **{name: _plain_if_visible(each) for name, each in options.items()})

    def copy_to_host(self, ary: Any = None, stream: Any = 0) -> Any:
        """Return a copy, or fill ``ary``, once the stream's work is done."""
        timeline.host_waits(queue_of(stream))
        if ary is None:
            return _plain_if_visible(self).copy()
        np.copyto(ary, _plain_if_visible(self))
        return ary


def _reading(name: str) -> Callable[..., Any]:
    def method(self: VisibleArray, *arguments: Any, **options: Any) -> Any:
        return getattr(_plain_if_visible(self), name)(*arguments, **options)

    return method


for _name in ("copy", "tolist", "item", "tobytes", "astype"):
    setattr(VisibleArray, _name, _reading(_name))


def plain(array: Any) -> NDArray[Any]:
    """Return the array itself, whose accesses are not checked."""
    return np.asarray(array).view(np.ndarray)


def _as_view(index: Any) -> Any:
    """Return an index that gives a view of one element too."""
    parts = index if isinstance(index, tuple) else (index,)
    return parts if any(each is ... for each in parts) else (*parts, ...)


def _plain_if_visible(value: Any) -> Any:
    """Return an array that is about to be read on the host as it is."""
    if not isinstance(value, VisibleArray):
        return value
    memory = plain(value)
    timeline.host_touches(memory, writes=False)
    return memory


def _plain_inside(value: Any) -> Any:
    """Return a nest of lists and tuples with such arrays as they are."""
    if isinstance(value, list | tuple):
        return type(value)(_plain_inside(each) for each in value)
    return _plain_if_visible(value)


def visible(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes an array in memory that the host sees."""

    @functools.wraps(make)
    def make_visible(*arguments: Any, **options: Any) -> VisibleArray:
        made = make(*arguments, **options)
        return np.asarray(getattr(made, "_ary", made)).view(VisibleArray)

    return make_visible


_pinned: list[NDArray[Any]] = []


@contextmanager
def pinned(*arrays: NDArray[Any]) -> Iterator[None]:
    """Let copies to and from these arrays run while the host goes on, inside the block."""
    _pinned.extend(arrays)
    try:
        yield
    finally:
        for array in arrays:
            _pinned[:] = [each for each in _pinned if each is not array]


def is_pinned(array: Any) -> bool:
    """Return whether copies to and from an array run while the host goes on."""
    if isinstance(array, VisibleArray):
        return True
    return any(np.may_share_memory(array, each) for each in _pinned)
