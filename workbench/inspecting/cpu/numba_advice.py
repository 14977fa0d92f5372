"""What Numba itself says about speed: its warnings, and the copies that its matrix products make."""

import operator
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import types

from workbench.inspecting.cpu.double_reasons import assignments
from workbench.inspecting.cpu.kernels import InspectedKernel
from workbench.inspecting.finding import Finding
from workbench.numba_internals.representation import ir
from workbench.system.python_code import is_library_file
from workbench.target.binding import python_function

_PLACE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_COPIES = "is faster on contiguous arrays"
"""What Numba warns of where ``copies`` names the line, which the warning does not."""

_LEFT = "more than one entry to or exit from the loop"
_NOTHING = "no transformation for parallel execution was possible"

_KNOWN: dict[str, tuple[str, str, str]] = {
    _LEFT: (
        "not-parallel",
        "is not run in parallel: the loop can be left in the middle (return, break, an assertion)",
        "leave a prange by its count alone",
    ),
    _NOTHING: (
        "not-parallel",
        "parallel=True, but nothing in it is parallel: it has neither a prange nor an array expression that Numba splits",
        "write prange for the loop over outputs, or remove parallel=True",
    ),
}
"""Kind, description and remedy of the warnings that are known, by words of theirs."""


def warned(warnings: Sequence[str]) -> Iterator[Finding]:
    """Return Numba's performance warnings as findings, except those of copies, and of what follows from another.

    Parameters
    ----------
    warnings : their texts, which end with the place
    """
    for text in warnings:
        if _COPIES in text or (_NOTHING in text and any(_LEFT in other for other in warnings)):
            continue
        words = " ".join(_PLACE.split(text)[0].split())
        place = _PLACE.search(text)
        kind, what, remedy = next(
            (known for part, known in _KNOWN.items() if part in words),
            ("numba-warning", words, "see Numba's documentation, Performance Tips"),
        )
        file, line = (place["file"], int(place["line"])) if place else ("", 0)
        yield Finding(kind=kind, file=file, line=line, what=what, remedy=remedy)


def loose_signature(subject: InspectedKernel) -> Iterator[Finding]:
    """Find arrays of any layout in the explicit signature that a kernel is compiled for."""
    inner = python_function(subject.function)
    if subject.types is None or inner is None:
        return
    code = inner.__code__
    loose = [
        (name, each)
        for name, each in zip(code.co_varnames, subject.types, strict=False)
        if isinstance(each, types.Array) and each.layout == "A"
    ]
    if loose:
        names, each = ", ".join(name for name, _ in loose), loose[0][1]
        axes = [":"] * each.ndim
        yield Finding(
            kind="layout",
            file=code.co_filename,
            line=code.co_firstlineno,
            what=f"its signature takes {names} in any layout, {each.dtype}[{', '.join(axes)}]: strides are "
            "known at run time only, and loops do not become SIMD",
            remedy=f"write {each.dtype}[{', '.join([*axes[:-1], '::1'])}] for arrays in C order, or no signature",
        )


def copies(results: Sequence[Any]) -> Iterator[Finding]:
    """Find matrix products of arrays that are not contiguous: Numba copies them first, each time.

    Parameters
    ----------
    results : Numba's records of the compiled functions
    """
    for result in results:
        annotation = result.type_annotation
        typemap = getattr(annotation, "typemap", None)
        if typemap is None or is_library_file(annotation.func_id.filename):
            continue
        for each in assignments(annotation.blocks.values()):
            copied = [name for name in _factors(each.value, typemap) if _is_copied(typemap.get(name))]
            if copied and each.loc.filename == annotation.func_id.filename:
                named = " and ".join(_plain(name) for name in dict.fromkeys(copied))
                yield Finding(
                    kind="copy",
                    file=each.loc.filename,
                    line=each.loc.line,
                    what=f"copies {named} before it multiplies: of an array that is not contiguous, BLAS needs a copy",
                    remedy="keep the array in the order that is needed, or call np.ascontiguousarray once before the loop",
                )


def _factors(value: Any, typemap: Any) -> list[str]:
    """Return the variables that a matrix product multiplies; none for any other expression."""
    if not isinstance(value, ir.Expr):
        return []
    if value.op == "binop" and value.fn is operator.matmul:
        return [value.lhs.name, value.rhs.name]
    if value.op != "call" or getattr(typemap.get(value.func.name), "typing_key", None) not in (np.dot, np.vdot):
        return []
    return [each.name for each in value.args[:2]]


def _is_copied(found: Any) -> bool:
    return isinstance(found, types.Array) and found.layout not in ("C", "F")


def _plain(name: str) -> str:
    return "an operand" if name.startswith("$") else name.partition(".")[0]
