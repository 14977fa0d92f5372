"""Twins of compiled CPU kernels: the same body in plain Python, or compiled again with bounds checks.

A dispatcher holds its Python function, but the globals and closure of that function hold the other dispatchers it calls. A
twin therefore consists of copies of all functions that are reached, each on a copy of its globals.
"""

import sysconfig
from collections.abc import Callable, Iterator
from types import CellType, FunctionType, ModuleType
from typing import Any

import numba

from workbench.checking.reporting_source import report_variables
from workbench.numba_internals.compiling import CPUDispatcher
from workbench.system.python_code import cell_values, closure_values, is_library_file, names_in

Function = Callable[..., Any]

_STANDARD = (sysconfig.get_path("stdlib"), "<frozen ")


def rebuild(function: Function, compile_again: Callable[[Any, FunctionType], Function]) -> Function:
    """Return the twin of a function in which every dispatcher it reaches is a twin too.

    Dispatchers are found by global name, closure cell and module attribute, recursively. A plain Python function or a
    module through which a dispatcher is reached is replaced by a twin or a stand-in. Dispatchers held only by a
    container, a default argument or an object's attribute are not replaced.

    Parameters
    ----------
    function : a ``numba.njit`` dispatcher or a plain Python function, which is returned itself if it reaches no dispatcher
    compile_again : (dispatcher, its function on new globals) -> the twin. It must not call or compile the function
        yet: the globals and closure are filled afterwards, so that functions may refer to each other.
    """
    return _Rebuilding(compile_again).twin(function, set())  # type: ignore[no-any-return]


def uncompiled(function: Function) -> Function:
    """Return the twin in plain Python.

    ``prange`` becomes ``range`` in functions whose loops Numba would not run in parallel.
    """
    return rebuild(function, _interpreted)


def watchable(function: Function) -> Function:
    """Return the twin in plain Python, which also reports what its parallel loops do with their variables."""
    return rebuild(function, _reporting)


def bounds_checked(function: Function) -> Function:
    """Return the twin compiled serially with bounds checks, without cache and signatures; other options are kept.

    It raises IndexError on an access outside an array; negative indices down to minus the size count from the end, as
    always in Numba. It is serial because Numba (0.68) ignores exceptions in parallel regions.
    """
    return rebuild(function, _compiled_with_bounds)


def _interpreted(dispatcher: Any, function: FunctionType) -> Function:
    options = dispatcher.targetoptions
    if not options.get("parallel") and options.get("inline") != "always":  # an inlined loop belongs to the caller
        serial_numba = ModuleType("numba")
        vars(serial_numba).update(vars(numba), prange=range)
        for name in names_in(function.__code__) & function.__globals__.keys():
            if function.__globals__[name] is numba.prange:
                function.__globals__[name] = range
            elif function.__globals__[name] is numba:
                function.__globals__[name] = serial_numba
    return function


def _reporting(dispatcher: Any, function: FunctionType) -> Function:
    _interpreted(dispatcher, function)
    report_variables(function)
    return function


def twin_options(dispatcher: Any) -> dict[str, Any]:
    """Return the options of a dispatcher for its twin, which Python may call even where it may not call the original."""
    without = ("no_cpython_wrapper", "no_cfunc_wrapper")  # the call would end the process
    return {name: value for name, value in dispatcher.targetoptions.items() if name not in without}


def _compiled_with_bounds(dispatcher: Any, function: FunctionType) -> Function:
    options = twin_options(dispatcher) | {"boundscheck": True, "parallel": False}
    compiled: Function = numba.jit(locals=dispatcher.locals, **options)(function)
    return compiled


class _Rebuilding:
    """The twins of a function and of all that it reaches; ``twins`` holds them by the identity of the original."""

    def __init__(self, compile_again: Callable[[Any, FunctionType], Function]) -> None:
        self.compile_again = compile_again
        self.twins: dict[int, Any] = {}
        self.copied_globals: dict[int, dict[str, Any]] = {}

    def twin(self, value: Any, names: set[str]) -> Any:
        """Return the replacement of ``value`` in code that uses these names: ``value`` if it leads to no dispatcher."""
        if not _reaches(value, names, set()):
            return value
        if isinstance(value, ModuleType):
            return self.stand_in(value, names)
        if id(value) in self.twins:
            return self.twins[id(value)]
        if isinstance(value, FunctionType):
            copy = _copy(value, self.shared_globals(value))
            self.twins[id(value)] = copy
        else:
            copy = _copy(value.py_func, dict(value.py_func.__globals__))
            self.twins[id(value)] = self.compile_again(value, copy)
        self.fill(copy, value if isinstance(value, FunctionType) else value.py_func)
        return self.twins[id(value)]

    def shared_globals(self, function: FunctionType) -> dict[str, Any]:
        """Return one copy for all plain functions of a module, which may set globals for each other."""
        return self.copied_globals.setdefault(id(function.__globals__), dict(function.__globals__))

    def fill(self, copy: FunctionType, original: FunctionType) -> None:
        """Set the globals and cells of a copied function to twins."""
        names = names_in(original.__code__)
        for name in names & original.__globals__.keys():
            value = original.__globals__[name]
            twin = self.twin(value, names)
            if twin is not value:
                copy.__globals__[name] = twin
        for cell, old in zip(copy.__closure__ or (), original.__closure__ or (), strict=True):
            for value in cell_values(old):
                cell.cell_contents = self.twin(value, names)

    def stand_in(self, module: ModuleType, names: set[str]) -> ModuleType:
        """Return a module with the same attributes, but with twins for those that ``names`` uses."""
        known = id(module) in self.twins
        copy: ModuleType = self.twins.setdefault(id(module), ModuleType(module.__name__))
        if not known:
            vars(copy).update(vars(module))
        for name in names & vars(module).keys():
            if vars(copy)[name] is vars(module)[name]:
                vars(copy)[name] = self.twin(vars(module)[name], names)
        return copy


def _copy(function: FunctionType, new_globals: dict[str, Any]) -> FunctionType:
    """Copy a function onto other globals and empty cells."""
    cells = tuple(CellType() for _ in function.__closure__ or ())
    copy = FunctionType(function.__code__, new_globals, function.__name__, function.__defaults__, cells)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__, copy.__doc__ = function.__qualname__, function.__doc__
    copy.__module__ = function.__module__
    vars(copy).update(vars(function))
    return copy


def _reaches(value: Any, names: set[str], seen: set[tuple[int, frozenset[str]]]) -> bool:
    """Return whether ``value`` leads to a dispatcher in code that uses these names."""
    if isinstance(value, CPUDispatcher):
        return not _is_foreign(value.py_func.__code__.co_filename)
    key = (id(value), frozenset(names) if isinstance(value, ModuleType) else frozenset())
    if key in seen:
        return False
    seen.add(key)
    if isinstance(value, ModuleType) and not _is_foreign(getattr(value, "__file__", None) or ""):
        return any(_reaches(vars(value)[name], names, seen) for name in names & vars(value).keys())
    if isinstance(value, FunctionType) and not _is_foreign(value.__code__.co_filename):
        own = names_in(value.__code__)
        return any(_reaches(reached, own, seen) for reached in _referred(value, own))
    return False


def _is_foreign(file: str) -> bool:
    """Return whether a file is of Numba, NumPy or the standard library, through which no user's dispatcher is reached."""
    return is_library_file(file) or (file.startswith(_STANDARD) and "site-packages" not in file)


def _referred(function: FunctionType, names: set[str]) -> Iterator[Any]:
    """Return the values of the globals and cells that a function uses."""
    for name in names & function.__globals__.keys():
        yield function.__globals__[name]
    yield from closure_values(function)
