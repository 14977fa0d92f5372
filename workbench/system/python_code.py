"""Facts about Python code: the names that a function uses, the values in its closure, the library of a file."""

import dis
import os
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from types import CellType, CodeType, FunctionType
from typing import Any


def names_in(code: CodeType) -> set[str]:
    """Return the names of globals and attributes that code uses, including functions defined in it."""
    nested = (names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*nested)


def loops(code: CodeType) -> bool:
    """Return whether code has a loop, functions defined in it aside."""
    return any("BACKWARD" in each.opname for each in dis.get_instructions(code))


def closure_values(function: FunctionType) -> Iterator[Any]:
    """Yield the values in a function's closure, except those of variables that are not bound yet."""
    for cell in function.__closure__ or ():
        yield from cell_values(cell)


def cell_values(cell: CellType) -> tuple[Any, ...]:
    """Return the contents of a cell; empty if its variable is not bound yet."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


@cache
def library_folders() -> tuple[str, ...]:
    """Return the folders of Numba, Numba-CUDA and NumPy, each with a separator at its end."""
    specs = (find_spec(name) for name in ("numba", "numba.cuda", "numpy"))
    folders = (folder for spec in specs if spec for folder in spec.submodule_search_locations or ())
    return tuple(f"{folder}{os.sep}" for folder in folders)


def is_library_file(file: str) -> bool:
    """Return whether a file belongs to Numba, Numba-CUDA or NumPy, and so not to a user's kernel."""
    return file.startswith(library_folders())
