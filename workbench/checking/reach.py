"""How far a fault reaches: what the calls on which a kernel is wrong have in common, unlike those on which it is right."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from kernels import OPS
from kernels.declare.op import REQUIRED, Op, Option
from workbench.sampling import Case
from workbench.sampling.layouts import CONTIGUOUS, kind_of

Holds = Callable[[Case], bool]

FEWEST = 5
"""The number of right calls from which on their difference from the wrong ones is told."""


def reach(smallest: Case, wrong: Sequence[Case], right: Sequence[Case]) -> str:
    """Return in a line what a kernel is wrong for.

    Parameters
    ----------
    smallest : the smallest call on which it is wrong; only what distinguishes this one is considered
    wrong, right : the calls on which it is wrong, and right
    """
    if not right:
        return f"wrong in all {len(wrong)} cases" if len(wrong) > 1 else ""
    if len(right) < FEWEST:
        return f"wrong in {len(wrong)} of {len(wrong) + len(right)} cases"
    best = ("", len(right) + 1)
    for text, holds in _features(smallest):
        if all(map(holds, wrong)) and (among := sum(map(holds, right))) < best[1]:
            best = text, among
    text, among = best
    if not text or among > len(right) // 2:
        return f"wrong in {len(wrong)} of {len(wrong) + len(right)} cases"
    where = f"wrong only where {text}"
    if among:
        return f"{where}, in {len(wrong)} of {len(wrong) + among} such cases; right in the other {len(right) - among}"
    return f"{where}; right in the other {len(right)} cases"


def _features(case: Case) -> Iterator[tuple[str, Holds]]:
    """Yield what may be special about a case, the simplest first: a text, and whether it holds for another case."""
    op = OPS[case.op]
    sizes = _sizes(op, case)
    for name, size in sizes.items():
        if size == 0:
            yield f"{name} = 0", partial(_is_empty, op, name)
    if case.layout != CONTIGUOUS:
        kind = kind_of(case.layout)
        yield f"inputs are {kind} in memory", partial(_is_laid_out, kind)
    for option in op.options:
        default, value = _default(option), case.options[option.name]
        if default is not None and value != default:
            what = f"{option.name} is {value}" if option.form == "flag" else f"{option.name} is not {default}"
            yield what, partial(_is_no_default, option.name, default)
    for name, size in sizes.items():
        if size > 1:
            yield f"{name} >= {size}", partial(_is_at_least, op, name, size)
    yield f"values are of the family {case.family}", partial(_is_of_family, case.family)


def _is_empty(op: Op, name: str, case: Case) -> bool:
    return _sizes(op, case).get(name) == 0


def _is_laid_out(kind: str, case: Case) -> bool:
    return kind_of(case.layout) == kind


def _is_no_default(name: str, default: Any, case: Case) -> bool:
    return bool(case.options[name] != default)


def _is_at_least(op: Op, name: str, size: int, case: Case) -> bool:
    return _sizes(op, case).get(name, 0) >= size


def _is_of_family(family: str, case: Case) -> bool:
    return case.family == family


def _sizes(op: Op, case: Case) -> dict[str, int]:
    """Return the size of every axis by its symbol."""
    sizes = op.sizes(case.shapes)
    for item in op.inputs:
        shape = case.shapes[item.name]
        if item.axes is None:
            sizes |= {f"axis {axis} of {item.name}": size for axis, size in enumerate(shape)}
    return sizes


def _default(option: Option) -> Any:
    """Return the default in normal form; None if there is none to compare with."""
    if option.default is REQUIRED or option.default is None:
        return None
    if option.form == "pair":
        return option.default, option.default
    return ((0, 0), (0, 0)) if option.form == "padding" else option.default
