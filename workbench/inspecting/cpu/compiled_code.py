"""Compile a kernel again for its operation's argument types, so that its machine code can be read."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numba

from workbench.checking.rebuilding import rebuild, twin_options
from workbench.inspecting.cpu.debug_lines import Chain, with_numbered_columns
from workbench.inspecting.cpu.line_tables import line_tables
from workbench.inspecting.cpu.remarks import Remark, vectoriser_remarks
from workbench.numba_internals.compiling import CPUCodeLibrary, CPUDispatcher, cpu_target, event
from workbench.numba_internals.errors import NumbaPerformanceWarning, NumbaWarning
from workbench.numba_internals.llvm import binding as llvm
from workbench.system.python_code import is_library_file
from workbench.target.binding import is_ufunc, python_function

Function = Callable[..., Any]


@dataclass(frozen=True)
class Code:
    """The machine code of one compiled function with everything linked into it.

    Attributes
    ----------
    assembly : assembly as LLVM prints it
    chains : source places, by column of its line table
    raises : exception names, by the constant that holds the exception
    """

    assembly: str
    chains: dict[int, Chain]
    raises: dict[str, str]


@dataclass(frozen=True)
class Compiled:
    """A compiled kernel.

    Attributes
    ----------
    codes : code of the functions called from Python: the kernel, or those that a plain Python function calls
    results : Numba's records of these functions and of those they call
    remarks : LLVM's remarks on the loops
    warnings : texts of Numba's performance warnings
    """

    codes: tuple[Code, ...]
    results: tuple[Any, ...]
    remarks: tuple[Remark, ...]
    warnings: tuple[str, ...]


def compile_with_lines(
    function: Function, arguments: Sequence[Any], types: tuple[Any, ...] | None = None, *, lines: bool = True
) -> Compiled:
    """Compile a twin of a kernel, with everything that it calls, for the types of the arguments.

    Parameters
    ----------
    function : an object that @njit, @vectorize or @guvectorize made, or plain Python that calls one; plain Python and
        ufuncs are run
    arguments : arguments of the call
    types : other types to compile a dispatcher for
    lines : whether the code carries line tables; otherwise it is the same

    Raises
    ------
    numba.core.errors.NumbaError, Exception
        Numba, or the kernel, raises it.
    """
    with ExitStack() as stack:
        remarks = stack.enter_context(vectoriser_remarks())
        advice = stack.enter_context(_performance_warnings())
        if lines:
            stack.enter_context(line_tables())
        libraries, results = stack.enter_context(_watch())
        twin = _twin(function)
        if isinstance(twin, CPUDispatcher):
            twin.compile(types or tuple(numba.typeof(argument) for argument in arguments))
        else:
            twin(*arguments)
        if is_ufunc(function):  # their compilation raises no event
            results += [(result, False) for result in twin._dispatcher.overloads.values()]
    called = [result.library for result, outermost in results if outermost and not _is_numbas(result)]
    wrappers = [library for library in libraries if re.search(r"ufunc_?wrapper", library.name, re.IGNORECASE)]
    chosen = wrappers if is_ufunc(function) else called
    return Compiled(tuple(map(_code, chosen)), tuple(result for result, _ in results), tuple(remarks), tuple(advice))


@contextmanager
def _performance_warnings() -> Iterator[list[str]]:
    """Collect Numba's performance warnings; its other warnings are dropped, those of others are shown."""
    texts: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def note(message: Any, category: Any, *more: Any, **named: Any) -> None:
            if issubclass(category, NumbaPerformanceWarning):
                texts.append(str(message))
            else:
                show(message, category, *more, **named)

        warnings.showwarning = note
        warnings.simplefilter("ignore", NumbaWarning)
        warnings.simplefilter("always", NumbaPerformanceWarning)
        yield texts


def _is_numbas(result: Any) -> bool:
    """Whether it is of a function of Numba's own, which it compiles when it first needs it."""
    return is_library_file(result.type_annotation.func_id.filename)


def _twin(function: Function) -> Any:
    if is_ufunc(function):
        return _ufunc_twin(function)
    return rebuild(function, _again)


def _again(dispatcher: Any, function: Function) -> Any:
    options = deepcopy(twin_options(dispatcher))  # Numba empties the dict of the parallel options
    return numba.jit(locals=dispatcher.locals, **options)(function)


def _ufunc_twin(function: Any) -> Any:
    body = rebuild(python_function(function), _again)
    builder = getattr(function, "gufunc_builder", None)
    given = function.targetoptions if builder is None else builder.targetoptions
    options = {name: value for name, value in deepcopy(given).items() if name != "nopython"}
    return (
        numba.vectorize(**options)(body) if builder is None else numba.guvectorize(builder.signature, **options)(body)
    )


@contextmanager
def _watch() -> Any:
    """Collect the libraries that Numba finishes, and its records of functions with whether Python called them."""
    libraries: list[Any] = []
    results: list[tuple[Any, bool]] = []
    finalize = CPUCodeLibrary.finalize

    def noted(library: Any) -> None:
        finalize(library)
        libraries.append(library)

    watch = _Compilations(results)
    CPUCodeLibrary.finalize = noted
    event.register("numba:compile", watch)
    try:
        yield libraries, results
    finally:
        event.unregister("numba:compile", watch)
        CPUCodeLibrary.finalize = finalize


class _Compilations(event.Listener):  # type: ignore[misc]
    def __init__(self, results: list[tuple[Any, bool]]) -> None:
        self._results, self._depth = results, 0

    def on_start(self, event: Any) -> None:  # noqa: ARG002
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        dispatcher = event.data["dispatcher"]
        overloads = list(getattr(dispatcher, "overloads", {}).values())
        if overloads and all(overloads[-1] is not result for result, _ in self._results):
            self._results.append((overloads[-1], self._depth == 0))


def _code(library: Any) -> Code:
    ir, chains = with_numbered_columns(library.get_llvm_str())
    module = llvm.parse_assembly(ir)
    assembly = str(cpu_target.target_context.codegen()._tm.emit_assembly(module))
    pickled = re.findall(r"^@\.const\.pickledata\.(\w+) = .*? c\"(.*)\"$", ir, flags=re.MULTILINE)
    raises = {f".const.picklebuf.{name}": found[1] for name, text in pickled if (found := _EXCEPTION.search(text))}
    return Code(assembly, chains, raises)


_EXCEPTION = re.compile(r"\\8C\\[0-9A-F]{2}([A-Z]\w+(?:Error|Exception|Iteration|Exit))\\94")
