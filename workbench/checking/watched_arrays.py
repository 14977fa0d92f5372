"""Arrays that report every element read and written, by NumPy's functions too, to the run that watches them."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.checking.carried_scalars import VariableAccess
from workbench.checking.parallel_loops import Kind, Position
from workbench.checking.user_source import INSIDE, Site

Array = NDArray[Any]


class Run(Protocol):
    """The interface of a watched run that arrays report to.

    Attributes
    ----------
    position : the current loop and iteration
    made : arrays that the body has made, and where
    alive : arrays with recorded addresses
    """

    position: Position
    made: list[tuple[Watched, Site]]
    alive: list[Watched]

    def site(self) -> Site:
        """Return the place in the user's source that is being run."""

    def record(self, kind: Kind, addresses: Iterable[int]) -> None:
        """Record accesses."""

    def variable(self, kind: VariableAccess, name: str, line: int, frame: FrameType, operator: str = "") -> None:
        """Record what a function does with one of its variables."""

    def is_reduction(self, ufunc: Any, inputs: Any, outputs: Any) -> bool:
        """Return whether a call reduces into a variable that is private to each thread."""

    def stop_outside(self, array: Watched, index: str) -> NoReturn:
        """End the run at an access outside an array."""


_watch: Run | None = None
"""The current run, set by ``reporting_to`` only."""


@contextmanager
def reporting_to(run: Run) -> Iterator[None]:
    """Make watched arrays report to a run inside the block."""
    global _watch
    outer, _watch = _watch, run
    try:
        yield
    finally:
        _watch = outer


def current_run() -> Run | None:
    """Return the run that watches; None if there is none."""
    return _watch


def watched(value: Any) -> Any:
    """Return a watched view of an array of numbers, and any other value unchanged."""
    return value.view(Watched) if _watchable(value) else value


class Watched(np.ndarray[Any, Any]):
    """An array that reports reads and writes; its views do so too."""

    _addresses: Array | None

    def __array_finalize__(self, origin: Any) -> None:
        self._addresses = None

    def __getitem__(self, key: Any) -> Any:
        try:
            value = np.ndarray.__getitem__(self, key)
        except IndexError:
            _explain_outside(self, key)
            raise
        if _watch is None:
            return value
        if type(value) is not Watched:
            if _watch.position.loop is not None:
                _watch.record("read", (int(self.addresses[key]),))
        elif arrays := _index_arrays(key):  # a copy; any other key gives a view
            _read_all(arrays)
            _watch.record("read", self.addresses[key].ravel().tolist())
            _watch.made.append((value, _watch.site()))
        elif self._addresses is not None:
            value._addresses = self._addresses[key]
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        try:
            if _watch is not None and _watch.position.loop is not None:
                written = self.addresses[key]
                if isinstance(written, np.ndarray):
                    _read_all([*_index_arrays(key), value])
                    _watch.record("write", written.ravel().tolist())
                else:
                    _watch.record("write", (int(written),))
            np.ndarray.__setitem__(self, key, value)
        except IndexError:
            _explain_outside(self, key)
            raise

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if _watch is not None:
            outputs = options.get("out", inputs[:1] if method == "at" else ())
            if method == "__call__" and _watch.is_reduction(ufunc, inputs, outputs):
                _read_all(inputs[1:])
                _watch.record("reduce", outputs[0].addresses.ravel().tolist())
            else:
                _read_all([*inputs, options.get("where")])
                _write_all(outputs)
        result = getattr(ufunc, method)(*plain(inputs), **plain(options))
        return _returned(result, options.get("out"))

    def __array_function__(self, function: Any, _types: Any, arguments: Any, options: Any) -> Any:
        return _apply(function, arguments, options)

    @property
    def addresses(self) -> Array:
        """The address of every element, in an array of the same shape."""
        if self._addresses is None:
            addresses = np.array(self.__array_interface__["data"][0])
            for size, stride in zip(self.shape, self.strides, strict=True):
                addresses = addresses[..., np.newaxis] + np.arange(size) * stride
            self._addresses = addresses
            if _watch is not None:
                _watch.alive.append(self)
        return self._addresses

    @property
    def flat(self) -> Any:
        """The elements one after another."""
        return self.reshape(self.size) if self.flags.c_contiguous else plain(self).flat

    @flat.setter
    def flat(self, value: Any) -> None:
        self.flat[:] = value


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def method(*arguments: Any, **options: Any) -> Any:
        return _apply(function, arguments, options)

    return method


for _name in (
    *("all", "any", "argmax", "argmin", "argsort", "astype", "choose", "clip", "compress", "conj", "copy", "cumprod"),
    *("cumsum", "diagonal", "dot", "fill", "flatten", "item", "max", "mean", "min", "nonzero", "partition", "prod"),
    *("put", "ravel", "repeat", "reshape", "round", "searchsorted", "sort", "std", "sum", "take", "tolist", "trace"),
    "var",
):
    setattr(Watched, _name, _method(_name))


_WRITING = {
    *(np.ndarray.fill, np.ndarray.partition, np.ndarray.put, np.ndarray.sort),
    *(np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask),
}
"""Functions that write their first argument."""


_OUTPUT_THIRD = {np.dot, np.round, np.around}
_SHAPE_ONLY = {np.empty_like, np.zeros_like, np.ones_like, np.full_like, np.shape, np.ndim, np.size}
_MAKERS = (
    *("empty", "zeros", "ones", "full", "empty_like", "zeros_like", "ones_like", "full_like", "array", "asarray"),
    *("ascontiguousarray", "asfortranarray", "arange", "linspace", "eye", "identity"),
)


def _apply(function: Any, arguments: Any, options: Any) -> Any:
    """Call a NumPy function that reads whole arrays and may write one; watch the arrays that it makes."""
    if _watch is None:
        return function(*plain(arguments), **plain(options))
    output = options.get("out", arguments[2] if function in _OUTPUT_THIRD and len(arguments) > 2 else None)
    result = function(*plain(arguments), **plain(options))
    inputs = list(_arrays([*arguments, *options.values()]))
    if not isinstance(result, np.ndarray) or not any(np.may_share_memory(result, item) for item in map(plain, inputs)):
        writes = function in _WRITING
        if function not in _SHAPE_ONLY:
            _read_all(inputs[1:] if writes else inputs)
        _write_all([arguments[0]] if writes else [])
    elif output is not None:
        _read_all(item for item in inputs if item is not output)
        _write_all([output])
    else:
        return result.view(Watched)
    return _returned(result, (output,))


def _returned(result: Any, outputs: Any) -> Any:
    """Return a result for the body: outputs as the same objects that were passed, new arrays watched."""
    if isinstance(result, tuple | list) and type(result) in (tuple, list):
        outputs = outputs or (None,) * len(result)
        return type(result)(_returned(item, (out,)) for item, out in zip(result, outputs, strict=False))
    if outputs and outputs[0] is not None:
        return outputs[0]
    if not _watchable(result) or _watch is None:
        return result
    array = result.view(Watched)
    _watch.made.append((array, _watch.site()))
    return array


@contextmanager
def making_watched_arrays() -> Iterator[None]:
    """Make NumPy's functions that create arrays return watched ones to code outside NumPy."""

    def making(function: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any, **options: Any) -> Any:
            inside = sys._getframe(1).f_code.co_filename.startswith(INSIDE)
            return function(*arguments, **options) if inside else _apply(function, arguments, options)

        return make

    def ndenumerate(array: Array) -> Iterator[Any]:
        for index in np.ndindex(array.shape):
            yield index, array[index]

    originals = {name: getattr(np, name) for name in (*_MAKERS, "ndenumerate")}
    try:
        for name in _MAKERS:
            setattr(np, name, making(originals[name]))
        np.ndenumerate = ndenumerate  # type: ignore[misc, assignment]
        yield
    finally:
        for name, function in originals.items():
            setattr(np, name, function)


def _watchable(value: Any) -> bool:
    """Return whether a value is an array of numbers; writes to a record of a structured array cannot be seen."""
    return isinstance(value, np.ndarray) and value.dtype.names is None


def plain(value: Any) -> Any:
    """Return a value with plain arrays instead of watched ones, also inside tuples, lists and dicts."""
    if isinstance(value, Watched):
        return value.view(np.ndarray)
    if type(value) in (tuple, list):
        return type(value)(plain(item) for item in value)
    return {key: plain(item) for key, item in value.items()} if type(value) is dict else value


def _arrays(values: Iterable[Any]) -> Iterator[Watched]:
    """Return the watched arrays among values, also inside tuples and lists."""
    for value in values:
        if isinstance(value, Watched):
            yield value
        elif isinstance(value, tuple | list):
            yield from _arrays(value)


def _read_all(values: Iterable[Any]) -> None:
    _record_all("read", values)


def _write_all(values: Iterable[Any]) -> None:
    _record_all("write", values)


def _record_all(kind: Kind, values: Iterable[Any]) -> None:
    if _watch is not None and _watch.position.loop is not None:
        for array in _arrays(values):
            _watch.record(kind, array.addresses.ravel().tolist())


def _index_arrays(key: Any) -> list[Any]:
    """Return the arrays and lists that a key indexes with."""
    return [part for part in (key if type(key) is tuple else (key,)) if isinstance(part, np.ndarray | list)]


def _explain_outside(array: Watched, key: Any) -> None:
    """Raise the hazard that caused NumPy's IndexError; return if the key has another fault."""
    if _watch is None:
        return
    parts = [part for part in (key if type(key) is tuple else (key,)) if part is not None]
    for place, part in enumerate(parts):
        if part is Ellipsis:
            parts[place : place + 1] = [slice(None)] * (array.ndim - len(parts) + 1)
            break
    for axis, (part, size) in enumerate(zip(parts, array.shape, strict=False)):
        index = _first_outside(part, size)
        if index is not None:
            shown = [str(index) if place == axis else _shown(other) for place, other in enumerate(parts)]
            _watch.stop_outside(array, ", ".join(shown))


def _first_outside(part: Any, size: int) -> int | None:
    """Return the first index, of an integer or an array of indices, that is outside an axis."""
    values = np.ravel(plain(part)) if not isinstance(part, slice) else np.empty(0)
    if values.dtype.kind not in "iu":
        return None
    return next((int(value) for value in values if not -size <= int(value) < size), None)


def _shown(part: Any) -> str:
    """Return an index as written in source code."""
    if isinstance(part, slice):
        return ":".join("" if bound is None else str(bound) for bound in (part.start, part.stop))
    try:
        return str(operator.index(part))
    except TypeError:
        return "..."
