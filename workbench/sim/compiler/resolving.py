"""The Python object that a variable refers to, in the intermediate representation of a function."""

from typing import Any

from workbench.numba_internals.representation import get_definition, guard, ir


def resolved(func_ir: Any, variable: Any) -> Any:
    """Return the Python object that a variable refers to, also through attributes; None if it is unknown."""
    definition = guard(get_definition, func_ir, variable)
    if isinstance(definition, ir.Global | ir.FreeVar):
        return definition.value
    if isinstance(definition, ir.Expr) and definition.op == "getattr":
        return getattr(resolved(func_ir, definition.value), definition.attr, None)
    return None
