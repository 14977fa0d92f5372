"""Watching kernels in plain Python: data races between ``prange`` iterations, and accesses outside an array.

The arrays of a body are wrapped so that they report every element read and written, by its address in memory. Two
iterations of a parallel loop must not access the same element if one of them writes it. This depends only on the elements
that each iteration accesses, not on the order of iterations or on threads, so every run finds the race.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal, NoReturn

import numpy as np

from workbench.checking.carried_scalars import Access as Variable
from workbench.checking.carried_scalars import VariableAccess
from workbench.checking.parallel_loops import Access, Kind, ParallelLoop, Position, prange_order
from workbench.checking.user_source import Site, line_of, user_frame, variable_updated
from workbench.checking.watched_arrays import Watched, making_watched_arrays, plain, reporting_to, watched

__all__ = ["Hazard", "Watched", "prange_order", "watch"]


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """An access that is an error in compiled code.

    Attributes
    ----------
    kind : "race" or "bounds"
    reason : one line, naming the element, the iterations and the lines
    line, file : the place of the access; for a race, of the one that the reason names first
    remedy : what to do about a race
    """

    kind: Literal["race", "bounds"]
    reason: str
    line: int
    file: str
    remedy: str = ""


ELEMENTS = (
    "Every iteration needs elements of its own: let the prange run over them, make an array that serves one iteration "
    "inside the loop, or add whole arrays (total += row), which Numba reduces."
)
CARRIED = (
    "Threads run the iterations in any order, and combine only sums, products, minima and maxima that no iteration reads "
    "(of arrays in place: +=): compute {name} in a serial loop, or from the number of the iteration."
)
ASSIGNED = (
    "Every thread has its own {name}: keep it in an array, one element an iteration, or reduce with +=, *=, min or max."
)


class _Found(BaseException):
    """Ends the body at a hazard; an ``except Exception`` in the body does not catch it."""


def watch(
    body: Callable[..., Any],
    arguments: Sequence[Any],
    names: Sequence[str],
    seed: int | None = None,
    *,
    on_result: Callable[[Any], None] = lambda _result: None,
) -> Hazard | None:
    """Run a body in plain Python and return the first hazard; a process can have only one such run at a time.

    Parameters
    ----------
    body : a plain Python function; functions that it calls should be plain Python too
    arguments : its arguments; arrays are watched and written in place, other values are passed unchanged
    names : the names of the arguments in messages
    seed : as for ``prange_order``
    on_result : called with what the body returns

    Raises
    ------
    Exception
        Whatever the body raises.

    Notes
    -----
    Arrays that the body makes by NumPy functions called as ``np.name``, or by arithmetic, are watched too. Accesses in
    compiled code, by ``np.nditer``, by the ``flat`` of an array with gaps and to arrays of records are not seen.
    """
    given = [watched(value) for value in arguments]
    with prange_order(seed) as position, making_watched_arrays(), np.errstate(all="ignore"):
        run = Watch(position, body, dict(zip(names, given, strict=True)))
        with reporting_to(run), suppress(_Found):
            on_result(plain(body(*given)))
    return run.hazard


_REDUCTIONS = {np.add, np.subtract, np.multiply, np.true_divide}


class Watch:
    """A run of a body: its position, its arrays, and their accesses.

    Attributes
    ----------
    named : the arrays among the arguments
    made : arrays that the body has made, and where
    hazard : the first hazard that was found
    alive : arrays with recorded addresses, kept so that no other array gets the same memory
    """

    def __init__(self, position: Position, body: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self.position = position
        self.body_code: CodeType | None = getattr(getattr(body, "func", body), "__code__", None)  # of a partial as well
        self.named = {name: value for name, value in arguments.items() if isinstance(value, Watched)}
        self.made: list[tuple[Watched, Site]] = []
        self.alive: list[Watched] = []
        self.hazard: Hazard | None = None

    def stop(self, hazard: Hazard) -> NoReturn:
        """Store the hazard if it is the first, even if the body catches the exception, and leave the body."""
        self.hazard = self.hazard or hazard
        raise _Found

    def site(self) -> Site:
        """Return the place in the user's source that is being run."""
        frame = user_frame()
        return frame.f_code, frame.f_lasti

    def record(self, kind: Kind, addresses: Iterable[int]) -> None:
        """Record accesses; stop the run if one conflicts with another iteration's."""
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

    def variable(self, kind: VariableAccess, name: str, line: int, frame: FrameType, operator: str = "") -> None:
        """Record what a function with parallel loops does with a variable; stop the run where iterations cannot share it."""
        file = Path(frame.f_code.co_filename).name
        prefix = f"{file}, " if self.place((frame.f_code, 0)).startswith(file) else ""
        ended = self.position.ended.get(frame, {}).pop(name, None)
        if ended is not None and kind != "assignment":
            written = ended.scalars.assigned[name]
            reason = (
                f"race: {name} is read ({prefix}line {line}) after the prange at {self.place(ended.site)}, whose iterations "
                f"assign it ({prefix}line {written.line})"
            )
            remedy = ASSIGNED.format(name=name)
            self.stop(Hazard(kind="race", reason=reason, line=line, file=frame.f_code.co_filename, remedy=remedy))
        loop = self.position.loop
        if loop is None or loop.frame is not frame:  # in a function that the loop calls, variables are private
            return
        access = Variable(kind, self.position.iteration, line)
        other = loop.scalars.record(name, access, operator)
        if other is None:
            return
        verbs = {"read": "reads it", "reduction": "updates it", "assignment": "assigns it"}
        first, second = sorted((access, other), key=lambda each: list(verbs).index(each.kind))
        shown = ", ".join(
            f"iteration {each.iteration} {verbs[each.kind]} ({prefix}line {each.line})" for each in (first, second)
        )
        reason = f"race: {name} is carried between the iterations of the prange at {self.place(loop.site)}: {shown}"
        remedy = CARRIED.format(name=name)
        self.stop(Hazard(kind="race", reason=reason, line=first.line, file=frame.f_code.co_filename, remedy=remedy))

    def is_reduction(self, ufunc: Any, inputs: Any, outputs: Any) -> bool:
        """Return whether this is ``variable += ...`` on a whole array bound before the loop: Numba copies it per thread.

        An array in a helper function, or a part of an array (``y[n] += ...``), is shared.
        """
        loop = self.position.loop
        if loop is None or ufunc not in _REDUCTIONS or not outputs or inputs[0] is not outputs[0]:
            return False
        frame = user_frame()
        name = variable_updated(frame.f_code, frame.f_lasti) if frame is loop.frame else None
        return name is not None and isinstance(outputs[0], Watched) and loop.variables.get(name) is outputs[0]

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
            return _hazard("race", reason, reader[1:], ELEMENTS)
        first, second = sorted((later[1], earlier[1]), key=lambda access: access[0])
        places = " and ".join(dict.fromkeys(self.place(access[1:]) for access in (first, second)))
        reason = f"race: iterations {first[0]} and {second[0]} of the prange at {place} both write {element} ({places})"
        return _hazard("race", reason, first[1:], ELEMENTS)

    def stop_outside(self, array: Watched, index: str) -> NoReturn:
        """Store an access outside an array as the hazard, and leave the body."""
        site = self.site()
        argument = next((name for name, value in self.named.items() if _same(value, array)), None)
        name = argument or next((name for name, value in user_frame().f_locals.items() if value is array), "")
        owner = "" if argument else self.owner(array)
        what = name or (f"a view of {owner}" if owner else "an array")
        view = f", a view of {owner}" if name and owner else ""
        reason = f"{name}[{index}] is outside {what}, of shape {array.shape}{view} ({self.place(site)})"
        self.stop(_hazard("bounds", reason, site))

    def owner(self, array: Watched) -> str:
        """Return the name of the array that this one is a view of; empty if it is not a view."""
        for name, value in self.named.items():
            if np.may_share_memory(plain(value), plain(array)):
                return name
        for value, site in self.made:
            if value is not array and np.may_share_memory(plain(value), plain(array)):
                return _variable_holding(value) or f"an array made at {self.place(site)}"
        return ""

    def element(self, address: int) -> str:
        """Return the name of the element at an address."""
        for name, value in self.named.items():
            for index in _places(value, address):
                return f"{name}[{index}]"
        for value, site in self.made:
            for index in _places(value, address):
                variable = _variable_holding(value)
                return f"{variable}[{index}]" if variable else f"[{index}] of an array made at {self.place(site)}"
        return "an element of an array"

    def place(self, site: Site) -> str:
        """Return the line, and the file if it is not the body's."""
        code = site[0]
        other_file = self.body_code is not None and code.co_filename != self.body_code.co_filename
        return f"{Path(code.co_filename).name}, line {line_of(site)}" if other_file else f"line {line_of(site)}"


def _same(left: Watched, right: Watched) -> bool:
    """Return whether two arrays are the same memory with the same layout."""
    interfaces = (left.__array_interface__, right.__array_interface__)
    return left.strides == right.strides and interfaces[0] == interfaces[1]


def _places(array: Watched, address: int) -> Iterator[str]:
    """Yield the indices of the elements of an array at an address."""
    for index in np.argwhere(array.addresses == address).tolist():
        yield ", ".join(map(str, index)) or "()"


def _variable_holding(array: Watched) -> str:
    """Return the name of the local variable that holds an array, in the outermost function that has one."""
    found = ""
    frame: FrameType | None = user_frame()
    while frame is not None and frame.f_code is not watch.__code__:
        found = next((name for name, value in frame.f_locals.items() if value is array), found)
        frame = frame.f_back
    return found


def _hazard(kind: Literal["race", "bounds"], reason: str, site: Site, remedy: str = "") -> Hazard:
    return Hazard(kind=kind, reason=reason, line=line_of(site), file=site[0].co_filename, remedy=remedy)
