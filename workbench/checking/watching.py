"""Kernels run in plain Python and watched: data races between ``prange`` iterations, and accesses outside an array.

The arrays a body works on are wrapped so that they report every element read and written, by its address in memory.
Inside a parallel loop two iterations must not touch the same element if one of them writes it: whether they do follows
from what each iteration touches, not from the order or the threads they run in, so a race is found in every run.
"""

from __future__ import annotations

import dis
import operator
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal, NoReturn

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = Literal["read", "write", "reduce"]
Site = tuple[CodeType, int]
"""Where in the source: a code object and the offset of an instruction, which are cheaper than the line to find."""
Access = tuple[int, CodeType, int]
"""An iteration and a site."""
Touched = list[tuple[Kind, dict[int, Access]]]
"""Accesses by address, for one kind after another."""


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """What a body does that compiled code must not.

    Attributes
    ----------
    kind : "race" or "bounds"
    reason : one line, naming the element, the iterations and the lines
    line, file : of the access; of a race that the reason names first
    """

    kind: Literal["race", "bounds"]
    reason: str
    line: int
    file: str


class _Found(BaseException):
    """Ends the body once there is a hazard; no ``except Exception`` there stops it."""


class ParallelLoop:
    """One run of an outermost ``prange``: where it stands, and what its iterations have touched.

    Of every element the first access of each kind is kept, and the first by another iteration.
    """

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.site: Site = (frame.f_code, frame.f_lasti)
        self.variables = {name: value for name, value in frame.f_locals.items() if isinstance(value, Watched)}
        pairs: list[tuple[dict[int, Access], dict[int, Access]]] = [({}, {}) for _ in range(3)]
        read, write, reduce = pairs
        reads: Touched = [("read", accesses) for accesses in read]
        writes: Touched = [("write", write[0])]  # another iteration's is a hazard already
        reductions: Touched = [("reduce", accesses) for accesses in reduce]
        self.touched: dict[Kind, tuple[dict[int, Access], dict[int, Access]]]
        self.touched = {"read": read, "write": write, "reduce": reduce}
        self.conflicting: dict[Kind, Touched] = {
            "read": writes + reductions,
            "write": writes + reads + reductions,
            "reduce": writes + reads,
        }


class Position:
    """Where a run is: in an iteration of an outermost parallel loop, or outside any (``loop`` is None)."""

    def __init__(self) -> None:
        self.loop: ParallelLoop | None = None
        self.iteration = 0


@contextmanager
def prange_order(seed: int | None) -> Iterator[Position]:
    """Let every ``prange`` that runs in plain Python inside the block walk its iterations in a permuted order.

    Only the outermost of nested loops is parallel, as in Numba; those inside it keep their order.

    Parameters
    ----------
    seed : what the orders follow from; None keeps the natural one
    """
    position = Position()
    shuffle = random.Random(seed).shuffle if seed is not None else lambda _order: None

    def walk(_cls: type, *bounds: int) -> Iterator[int]:
        order = list(range(*bounds))
        if position.loop is not None:
            yield from order
            return
        shuffle(order)
        position.loop = ParallelLoop(sys._getframe(1))
        try:
            for position.iteration in order:
                yield position.iteration
        finally:
            position.loop = None

    original = vars(numba.prange)["__new__"]
    numba.prange.__new__ = walk
    try:
        yield position
    finally:
        numba.prange.__new__ = original


def watch(
    body: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str], seed: int | None = None
) -> Hazard | None:
    """Run a body in plain Python, in this process's only watched run, and give the first hazard.

    Parameters
    ----------
    body : a plain Python function; what it calls should be plain Python too
    arguments : what it is called with; arrays are watched and written in place, other things passed on
    names : what messages call the arguments
    seed : as for ``prange_order``

    Raises
    ------
    Exception
        Whatever the body raises.

    Notes
    -----
    Watched as well are arrays that the body makes by functions of NumPy called as ``np.name`` and by arithmetic.
    What happens inside compiled code, ``np.nditer``, the ``flat`` of an array with gaps and arrays of records is not
    seen.
    """
    global _watch
    watched = [value.view(Watched) if _watchable(value) else value for value in arguments]
    with prange_order(seed) as position, _making_watched_arrays(), np.errstate(all="ignore"):
        outer, _watch = _watch, _Watch(position, body, dict(zip(names, watched, strict=True)))
        this = _watch
        try:
            body(*watched)
        except _Found:
            pass
        finally:
            _watch = outer
    return this.hazard


class Watched(np.ndarray[Any, Any]):
    """An array that reports what is read and written; a view of it does too."""

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
        result = getattr(ufunc, method)(*_plain(inputs), **_plain(options))
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
        return self.reshape(self.size) if self.flags.c_contiguous else _plain(self).flat

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
"""What writes its first argument."""
_OUTPUT_THIRD = {np.dot, np.round, np.around}
_SHAPE_ONLY = {np.empty_like, np.zeros_like, np.ones_like, np.full_like, np.shape, np.ndim, np.size}
_REDUCTIONS = {np.add, np.subtract, np.multiply, np.true_divide}
_MAKERS = (
    *("empty", "zeros", "ones", "full", "empty_like", "zeros_like", "ones_like", "full_like", "array", "asarray"),
    *("ascontiguousarray", "asfortranarray", "arange", "linspace", "eye", "identity"),
)


def _apply(function: Any, arguments: Any, options: Any) -> Any:
    """Call a function that reads whole arrays, and some of which write one; watch the arrays it makes."""
    if _watch is None:
        return function(*_plain(arguments), **_plain(options))
    output = options.get("out", arguments[2] if function in _OUTPUT_THIRD and len(arguments) > 2 else None)
    result = function(*_plain(arguments), **_plain(options))
    inputs = list(_arrays([*arguments, *options.values()]))
    if not isinstance(result, np.ndarray) or not any(np.may_share_memory(result, item) for item in map(_plain, inputs)):
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
    """Give a result as the body should get it: outputs as they went in, new arrays watched."""
    if isinstance(result, tuple | list) and type(result) in (tuple, list):
        outputs = outputs or (None,) * len(result)
        return type(result)(_returned(item, (out,)) for item, out in zip(result, outputs, strict=False))
    if outputs and outputs[0] is not None:
        return outputs[0]
    if not _watchable(result) or _watch is None:
        return result
    watched = result.view(Watched)
    _watch.made.append((watched, _watch.site()))
    return watched


@contextmanager
def _making_watched_arrays() -> Iterator[None]:
    """Let the functions of NumPy that make arrays give watched ones to code outside NumPy."""

    def making(function: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any, **options: Any) -> Any:
            inside = sys._getframe(1).f_code.co_filename.startswith(_INSIDE)
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


class _Watch:
    """A run of a body: where it is, its arrays, and what they report.

    Attributes
    ----------
    named : the arrays among the arguments
    made : arrays that the body has made, and where
    hazard : the first that was found
    alive : arrays of which addresses were recorded, so that no other gets the same memory
    """

    def __init__(self, position: Position, body: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self.position = position
        self.body_code: CodeType | None = getattr(getattr(body, "func", body), "__code__", None)  # of a partial as well
        self.named = {name: value for name, value in arguments.items() if isinstance(value, Watched)}
        self.made: list[tuple[Watched, Site]] = []
        self.alive: list[Watched] = []
        self.hazard: Hazard | None = None

    def stop(self, hazard: Hazard) -> NoReturn:
        """Keep the first hazard, whatever the body makes of the exception, and leave the body."""
        self.hazard = self.hazard or hazard
        raise _Found

    def site(self) -> Site:
        """Give the place in the user's source that is being run."""
        frame = _user_frame()
        return frame.f_code, frame.f_lasti

    def record(self, kind: Kind, addresses: Iterable[int]) -> None:
        """Take note of accesses, and raise where one conflicts with one of another iteration."""
        loop, iteration = self.position.loop, self.position.iteration
        if loop is None:
            return
        access = (iteration, *self.site())
        conflicting = loop.conflicting[kind]
        first, by_another = loop.touched[kind]
        for address in addresses:
            for other_kind, others in conflicting:
                other = others.get(address)
                if other is not None and other[0] != iteration:
                    self.stop(self.race(loop, address, (kind, access), (other_kind, other)))
            if first.setdefault(address, access)[0] != iteration:
                by_another.setdefault(address, access)

    def is_reduction(self, ufunc: Any, inputs: Any, outputs: Any) -> bool:
        """Whether this is ``variable += ...`` on a whole array bound before the loop, which Numba gives each thread.

        An array in a helper function, and a part of one (``y[n] += ...``), is shared.
        """
        loop = self.position.loop
        if loop is None or ufunc not in _REDUCTIONS or not outputs or inputs[0] is not outputs[0]:
            return False
        frame = _user_frame()
        name = _variable_updated(frame.f_code, frame.f_lasti) if frame is loop.frame else None
        return name is not None and loop.variables.get(name) is outputs[0]

    def race(
        self, loop: ParallelLoop, address: int, later: tuple[Kind, Access], earlier: tuple[Kind, Access]
    ) -> Hazard:
        """Describe two accesses to one element."""
        element = self.element(address)
        place = self.place(loop.site)
        if "read" in (later[0], earlier[0]):
            (_, reader), (_, writer) = sorted((later, earlier), key=lambda access: access[0] != "read")
            reason = (
                f"race: iteration {reader[0]} of the prange at {place} reads {element} ({self.place(reader[1:])}), "
                f"which iteration {writer[0]} writes ({self.place(writer[1:])})"
            )
            return _hazard("race", reason, reader[1:])
        first, second = sorted((later[1], earlier[1]), key=lambda access: access[0])
        places = " and ".join(dict.fromkeys(self.place(access[1:]) for access in (first, second)))
        reason = f"race: iterations {first[0]} and {second[0]} of the prange at {place} both write {element} ({places})"
        return _hazard("race", reason, first[1:])

    def outside(self, array: Watched, index: str) -> Hazard:
        """Describe an access outside an array."""
        site = self.site()
        argument = next((name for name, value in self.named.items() if _same(value, array)), None)
        name = argument or next((name for name, value in _user_frame().f_locals.items() if value is array), "")
        owner = "" if argument else self.owner(array)
        what = name or (f"a view of {owner}" if owner else "an array")
        view = f", a view of {owner}" if name and owner else ""
        reason = f"{name}[{index}] is outside {what}, of shape {array.shape}{view} ({self.place(site)})"
        return _hazard("bounds", reason, site)

    def owner(self, array: Watched) -> str:
        """Name the array of which this one is a view; nothing for one that is its own."""
        for name, value in self.named.items():
            if np.may_share_memory(_plain(value), _plain(array)):
                return name
        for value, site in self.made:
            if value is not array and np.may_share_memory(_plain(value), _plain(array)):
                return _variable_holding(value) or f"an array made at {self.place(site)}"
        return ""

    def element(self, address: int) -> str:
        """Name the element at an address."""
        for name, value in self.named.items():
            for index in _places(value, address):
                return f"{name}[{index}]"
        for value, site in self.made:
            for index in _places(value, address):
                variable = _variable_holding(value)
                return f"{variable}[{index}]" if variable else f"[{index}] of an array made at {self.place(site)}"
        return "an element of an array"

    def place(self, site: Site) -> str:
        """Give the line, and the file where it is not the body's."""
        code = site[0]
        other_file = self.body_code is not None and code.co_filename != self.body_code.co_filename
        return f"{Path(code.co_filename).name}, line {_line(site)}" if other_file else f"line {_line(site)}"


_watch: _Watch | None = None


def _watchable(value: Any) -> bool:
    """Whether a value is an array of numbers; a record of a structured one would be written behind our back."""
    return isinstance(value, np.ndarray) and value.dtype.names is None


def _plain(value: Any) -> Any:
    """Give the same without watched arrays, also inside tuples, lists and dicts."""
    if isinstance(value, Watched):
        return value.view(np.ndarray)
    if type(value) in (tuple, list):
        return type(value)(_plain(item) for item in value)
    return {key: _plain(item) for key, item in value.items()} if type(value) is dict else value


def _arrays(values: Iterable[Any]) -> Iterator[Watched]:
    """Give the watched arrays among values, also inside tuples and lists."""
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
    """Give the arrays and lists that a key indexes with."""
    return [part for part in (key if type(key) is tuple else (key,)) if isinstance(part, np.ndarray | list)]


def _explain_outside(array: Watched, key: Any) -> None:
    """Raise the hazard that NumPy's IndexError stands for; nothing where it stands for another fault of the key."""
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
            _watch.stop(_watch.outside(array, ", ".join(shown)))


def _first_outside(part: Any, size: int) -> int | None:
    """Give the first index of an index or array of indices that lies outside an axis."""
    values = np.ravel(_plain(part)) if not isinstance(part, slice) else np.empty(0)
    if values.dtype.kind not in "iu":
        return None
    return next((int(value) for value in values if not -size <= int(value) < size), None)


def _shown(part: Any) -> str:
    """Write an index as in the source."""
    if isinstance(part, slice):
        return ":".join("" if bound is None else str(bound) for bound in (part.start, part.stop))
    try:
        return str(operator.index(part))
    except TypeError:
        return "..."


def _same(left: Watched, right: Watched) -> bool:
    """Whether two arrays are the same memory in the same arrangement."""
    interfaces = (left.__array_interface__, right.__array_interface__)
    return left.strides == right.strides and interfaces[0] == interfaces[1]


def _places(array: Watched, address: int) -> Iterator[str]:
    """Give the indices at which an array has an address."""
    for index in np.argwhere(array.addresses == address).tolist():
        yield ", ".join(map(str, index)) or "()"


_INSIDE = (_plain.__code__.co_filename, np.__path__[0])
"""Files that are not the user's: this one and NumPy's."""


def _user_frame() -> FrameType:
    """Give the innermost frame of user code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
    assert frame is not None
    return frame


def _variable_holding(array: Watched) -> str:
    """Give the name of the local variable that holds an array, in the outermost function that has one."""
    found = ""
    frame: FrameType | None = _user_frame()
    while frame is not None and frame.f_code is not watch.__code__:
        found = next((name for name, value in frame.f_locals.items() if value is array), found)
        frame = frame.f_back
    return found


def _variable_updated(code: CodeType, instruction: int) -> str | None:
    """Give the local variable that an in-place operation is assigned to."""
    for own, following in pairwise(dis.get_instructions(code)):
        if own.offset == instruction:
            if own.argrepr.endswith("=") and following.opname.startswith(("STORE_FAST", "STORE_DEREF")):
                return str(following.argval[0] if isinstance(following.argval, tuple) else following.argval)
            return None
    return None


def _line(site: Site) -> int:
    code, instruction = site
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def _hazard(kind: Literal["race", "bounds"], reason: str, site: Site) -> Hazard:
    return Hazard(kind=kind, reason=reason, line=_line(site), file=site[0].co_filename)
