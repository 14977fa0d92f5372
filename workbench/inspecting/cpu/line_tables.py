"""Compile with line tables: the usual machine code, with the source line of every instruction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from workbench.numba_internals.compiling import CPUTargetOptions, UFuncTargetOptions
from workbench.numba_internals.errors import NumbaDebugInfoWarning
from workbench.numba_internals.lowering import BaseContext, PyLower, debuginfo
from workbench.numba_internals.representation import inlining
from workbench.system.python_code import is_library_file

UNNAMED = "<string>"
"""The file name that Numba gives to functions that it generates, the bodies of parallel loops."""


class _LineTables(debuginfo.DIBuilder):  # type: ignore[misc]
    """Records the lines of instructions but no variables, so that the optimised code does not change.

    The body of a parallel loop is a function without a file; its lines belong to the function that is compiled around it.
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
        """Keep the kind, whatever Numba sets."""

    def mark_subprogram(self, function: Any, qualname: str, argnames: Any, argtypes: Any, line: int) -> None:
        self.first_line = self.first_line or line
        self.of_expression = "__numba_array_expr" in qualname  # it has only the line of its call
        if not self.of_expression:
            super().mark_subprogram(function, qualname, argnames, argtypes, line)

    def mark_location(self, builder: Any, line: int) -> None:
        if not self.of_expression:  # an earlier line belongs to code that Numba generates around a parallel loop
            super().mark_location(builder, line if line >= self.first_line else 0)

    def mark_variable(self, *_arguments: Any, **_more: Any) -> None:
        """Do not record variables."""

    def finalize(self) -> None:
        if self in self._open:
            self._open.remove(self)
        super().finalize()


@contextmanager
def line_tables() -> Iterator[None]:
    """Add line tables to everything that Numba compiles inside the block, with its own options."""
    targets = (CPUTargetOptions, UFuncTargetOptions)
    finalize, builder = [target.finalize for target in targets], BaseContext.DIBuilder
    put_in = inlining.inline_closure_call
    before, each, after = PyLower.pre_lower, PyLower.lower_inst, PyLower.post_lower

    def with_lines(options: Any, flags: Any, given: Any) -> None:
        finalize[targets.index(type(options))](options, flags, given)
        flags.debuginfo, flags.dbg_directives_only = True, True
        flags.dbg_extend_lifetimes, flags.dbg_optnone = False, False

    def begin(lower: Any) -> None:  # object mode sets no lines itself
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

    def inline(function: Any, names: Any, block: Any, position: int, *more: Any, **named: Any) -> Any:
        """Give the line of the call to what Numba puts in its place, as for ``np.dot`` in a parallel function."""
        loc = block.body[position].loc
        blocks, variables = put_in(function, names, block, position, *more, **named)
        for statement in (one for each in blocks.values() for one in each.body):
            if is_library_file(statement.loc.filename):
                statement.loc = loc
        return blocks, variables

    for target in targets:
        target.finalize = with_lines
    inlining.inline_closure_call = inline
    BaseContext.DIBuilder = _LineTables
    PyLower.pre_lower, PyLower.lower_inst, PyLower.post_lower = begin, lower_inst, end
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaDebugInfoWarning)  # about functions that Numba generates
            yield
    finally:
        for target, original in zip(targets, finalize, strict=True):
            target.finalize = original
        BaseContext.DIBuilder = builder
        inlining.inline_closure_call = put_in
        PyLower.pre_lower, PyLower.lower_inst, PyLower.post_lower = before, each, after
        _LineTables._open.clear()
