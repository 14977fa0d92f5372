"""Compiling with line tables: the machine code that Numba makes anyway, and the source line of every instruction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from workbench.numba_internals.compiling import CPUTargetOptions, UFuncTargetOptions
from workbench.numba_internals.errors import NumbaDebugInfoWarning
from workbench.numba_internals.lowering import BaseContext, PyLower, debuginfo

UNNAMED = "<string>"
"""The file that Numba gives to the functions that it writes itself, the bodies of parallel loops."""


class _LineTables(debuginfo.DIBuilder):  # type: ignore[misc]
    """Says of which line an instruction is, and nothing of variables, so that optimisation goes on as without.

    The body of a parallel loop is a function of no file; its lines are of the function that is being compiled around it.
    """

    emission = "LineTablesOnly"  # LLVM 20 aborts on the "DebugDirectivesOnly" of several files
    _open: ClassVar[list[_LineTables]] = []

    def __init__(self, module: Any, filepath: str, cgctx: Any, directives_only: bool) -> None:
        outer = self._open[-1] if self._open and filepath == UNNAMED else None
        self.first_line: int = outer.first_line if outer else 0
        self.of_expression = False
        super().__init__(module, outer.filepath if outer else filepath, cgctx, directives_only)
        self._open.append(self)

    @property
    def emission_kind(self) -> str:
        return self.emission

    @emission_kind.setter
    def emission_kind(self, _kind: str) -> None:
        """Keep the kind, whatever Numba asks for."""

    def mark_subprogram(self, function: Any, qualname: str, argnames: Any, argtypes: Any, line: int) -> None:
        self.first_line = self.first_line or line
        self.of_expression = "__numba_array_expr" in qualname  # is of no line, but for the one that it is called on
        if not self.of_expression:
            super().mark_subprogram(function, qualname, argnames, argtypes, line)

    def mark_location(self, builder: Any, line: int) -> None:
        if not self.of_expression:  # a line before the first is of what Numba wrote around the body of a parallel loop
            super().mark_location(builder, line if line >= self.first_line else 0)

    def mark_variable(self, *_arguments: Any, **_more: Any) -> None:
        """Say nothing of variables."""

    def finalize(self) -> None:
        if self in self._open:
            self._open.remove(self)
        super().finalize()


@contextmanager
def line_tables() -> Iterator[None]:
    """Let everything that Numba compiles inside the block, with its own options, carry line tables."""
    targets = (CPUTargetOptions, UFuncTargetOptions)
    finalize, builder = [target.finalize for target in targets], BaseContext.DIBuilder
    before, each, after = PyLower.pre_lower, PyLower.lower_inst, PyLower.post_lower

    def with_lines(options: Any, flags: Any, given: Any) -> None:
        finalize[targets.index(type(options))](options, flags, given)
        flags.debuginfo, flags.dbg_directives_only = True, True
        flags.dbg_extend_lifetimes, flags.dbg_optnone = False, False

    def begin(lower: Any) -> None:  # object mode has no lines of its own
        before(lower)
        names, types = lower.fndesc.args, lower.fndesc.argtypes
        line = lower.defn_loc.line
        lower.debuginfo.mark_subprogram(lower.builder.function, lower.fndesc.qualname, names, types, line)

    def lower_inst(lower: Any, instruction: Any) -> None:
        lower.debuginfo.mark_location(lower.builder, instruction.loc.line)
        each(lower, instruction)

    def end(lower: Any) -> None:
        after(lower)
        lower.debuginfo.finalize()

    for target in targets:
        target.finalize = with_lines
    BaseContext.DIBuilder = _LineTables
    PyLower.pre_lower, PyLower.lower_inst, PyLower.post_lower = begin, lower_inst, end
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaDebugInfoWarning)  # of the functions that Numba itself wrote
            yield
    finally:
        for target, original in zip(targets, finalize, strict=True):
            target.finalize = original
        BaseContext.DIBuilder = builder
        PyLower.pre_lower, PyLower.lower_inst, PyLower.post_lower = before, each, after
        _LineTables._open.clear()
