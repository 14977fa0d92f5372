"""Users' files: loading their kernels and operations, or reporting an error in one line."""

import importlib.util
import io
import sys
import tokenize
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from kernels import OPS, KernelsError, Op, ops, register
from workbench.numba_internals import untested_versions
from workbench.system.encoding import is_text
from workbench.system.errors import InputError, first_line
from workbench.system.files import relative
from workbench.system.search_path import folder_on_path
from workbench.target import decorator
from workbench.target.binding import UserKernel, bind, is_kernel, python_function
from workbench.target.decorator import make_kernel
from workbench.target.launch import Extent
from workbench.target.recording import recorded_operation


@dataclass(frozen=True, kw_only=True)
class UserFile:
    """The contents of a user's file: the selected kernels, and the operations that it declares.

    ``named`` is true if a single kernel was requested by name.
    """

    path: Path
    kernels: tuple[UserKernel, ...]
    ops: tuple[Op, ...]
    named: bool


def load_file(
    target: str,
    *,
    op: str | None = None,
    device: str | None = None,
    accumulate: str | None = None,
    names: Mapping[str, str] | None = None,
    grid: Extent | None = None,
    block: Extent | None = None,
) -> UserFile:
    """Import a file and return its kernels.

    The operations that it declares are registered. A name selects one kernel, decorated or not; without a name all
    kernels decorated with ``implements`` are selected.

    Parameters
    ----------
    target : "FILE.py" or "FILE.py:NAME"
    op : the operation of a kernel that is not decorated
    device : "cpu" or "cuda": the arrays that a plain Python function without a decorator takes
    accumulate : the precision that the kernels are judged by, instead of the one that they declare
    names, grid, block : of a kernel that is not decorated, as for ``implements``

    Raises
    ------
    InputError
        The file or name does not exist; the import fails; the name is not a function; the operation is missing or unknown;
        parameters do not bind.
    """
    file, name = find_file(target)
    module, declared = _import_once(file.resolve(), file.stat().st_mtime_ns)
    variables = {id(value): name for name, value in reversed(list(vars(module).items()))}
    _check_order(file, module, declared)
    declared = [
        replace(
            kernel,
            accumulate=accumulate or kernel.accumulate,
            variable=variables.get(id(kernel.function), ""),
        )
        for kernel in declared
    ]
    ops = _register_ops(module, file)
    said = {"accumulate": accumulate, "names": names, "grid": grid, "block": block}
    if not name:
        kernels = _whole_file(file, module, declared, op, device, said, needed=not ops)
        return UserFile(path=file, kernels=kernels, ops=ops, named=False)
    if not hasattr(module, name):
        raise InputError(f"{file}: has no {name}; {_candidates(module, name)}")
    function = getattr(module, name)
    decorated = [kernel for kernel in declared if kernel.function is function and op in (None, kernel.op.name)]
    if decorated:
        return UserFile(path=file, kernels=tuple(decorated), ops=ops, named=True)
    if not is_kernel(function):
        raise InputError(f"{file}: {name} is a {type(function).__name__}, not a function; {_candidates(module, name)}")
    chosen = _undecorated(file, name, function, op, device, said)
    return UserFile(path=file, kernels=(chosen,), ops=ops, named=True)


def _check_order(file: Path, module: ModuleType, declared: Sequence[UserKernel]) -> None:
    """Refuse @implements below another decorator, which hides the decorated function."""
    hidden = {id(kernel.function): kernel for kernel in declared}
    for name, value in vars(module).items():
        inner = python_function(value) if is_kernel(value) else None
        if inner is not value and id(inner) in hidden:
            raise InputError(
                f"{relative(file)}: {name}: @implements stands below its compiler's decorator; put it above"
            )


def _whole_file(
    file: Path,
    module: ModuleType,
    declared: Sequence[UserKernel],
    op: str | None,
    device: str | None,
    said: Mapping[str, Any],
    *,
    needed: bool,
) -> tuple[UserKernel, ...]:
    chosen = tuple(kernel for kernel in declared if op in (None, kernel.op.name))
    if chosen or not (needed or op):
        return chosen
    own = _own_functions(module)
    if op is not None and len(own) == 1:
        return (_undecorated(file, *own.popitem(), op, device, said),)
    named = f"{file}:NAME --op OP" if op is None else f"{file}:NAME"
    raise InputError(f"{file}: no kernel is decorated with @implements; name one, {named}; {_candidates(module, '')}")


def _undecorated(
    file: Path, name: str, function: Any, op: str | None, device: str | None, said: Mapping[str, Any]
) -> UserKernel:
    if op is None and name not in OPS:
        raise InputError(f"{file}:{name}: which operation does it compute? add --op OP or decorate it with @implements")
    plain = decorator.python_only(function)
    kernel = make_kernel(function, op or name, device=device if plain else None, shared=0, **said)
    kernel = replace(kernel, variable=name)
    bind(kernel)
    return kernel


def find_file(target: str) -> tuple[Path, str]:
    """Return the file and the name of "FILE.py" or "FILE.py:NAME"; the name is empty if there is none.

    Raises
    ------
    InputError
        The file does not exist.
    """
    path, _, name = target.rpartition(":")
    if not path or not name.isidentifier():
        path, name = target, ""
    file = Path(path)
    if not file.exists():
        near = get_close_matches(file.stem, [each.stem for each in file.parent.glob("*.py")], n=1)
        hint = f"; did you mean {file.with_name(f'{near[0]}.py')}?" if near else "; name a Python file"
        raise InputError(f"{file}: no such file{hint}")
    if not file.is_file():
        raise InputError(f"{file}: not a file; name a Python file")
    if not is_text(str(file.resolve())):
        raise InputError(
            f"{file}: the name of the file or of a folder is not text in {sys.getfilesystemencoding()}; rename it"
        )
    return file, name


@cache
def _import_once(file: Path, _changed: int) -> tuple[ModuleType, list[UserKernel]]:
    """Return a file's module and the kernels that it decorates; it is imported again only when it has changed."""
    before = len(decorator.declared)
    module = _import(file)
    return module, decorator.declared[before:]


def _import(file: Path) -> ModuleType:
    """Import a file as a separate module; it can import files next to it; its output goes to standard error."""
    name = file.stem if file.stem.isidentifier() and file.stem not in sys.modules else f"_user_{file.stem}"
    spec = importlib.util.spec_from_loader(name, None, origin=str(file))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    sys.modules[name] = module  # pickling, dataclasses and Numba's cache look a module up by its name
    try:
        source = file.read_bytes()
        _require_text(source)
        code = compile(source, str(file), "exec")
        with folder_on_path(file.parent), redirect_stdout(sys.stderr):
            exec(code, vars(module))
    except (InputError, KernelsError) as error:
        raise InputError(f"{relative(file)}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InputError(
            f"{relative(file)}{_line(error, file)}: cannot be imported: {type(error).__name__}: {_message(error)}"
            f"{untested_versions()}"
        ) from error
    return module


def _require_text(source: bytes) -> None:
    """Refuse a source that is not in its encoding: ``compile`` lets comments pass, but no tool can show its lines."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    try:
        source.decode(encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"line {line} is not in {error.encoding} (byte {source[error.start]:#x}); save the file as UTF-8"
        ) from error


def _message(error: BaseException) -> str:
    """Return the first line of an error's message; of a SyntaxError without the place, which is told before."""
    return (isinstance(error, SyntaxError) and error.msg) or first_line(error, "no message")


def _line(error: BaseException, file: Path) -> str:
    """Return the line of the file that an error came from."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}" if error.lineno is not None else ""
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _register_ops(module: ModuleType, file: Path) -> tuple[Op, ...]:
    """Register the operations that a file declares as variables, or in tuples and lists of them."""
    values = [
        entry for value in vars(module).values() for entry in (value if isinstance(value, tuple | list) else [value])
    ]
    declared = {id(entry): entry for entry in values if isinstance(entry, Op) and entry is not ops.OPS.get(entry.name)}
    found = tuple(recorded_operation(entry, relative(file)) for entry in declared.values())
    for entry in found:
        try:
            register(entry)
        except KernelsError as error:
            raise InputError(f"{relative(file)}: {error}") from error
    return found


def _own_functions(module: ModuleType) -> dict[str, Any]:
    """Return the functions that a file itself defines, except those that begin with an underscore."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and is_kernel(value) and getattr(value, "__module__", None) == module.__name__
    }


def _candidates(module: ModuleType, name: str) -> str:
    own = list(_own_functions(module))
    near = get_close_matches(name, own, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"it has {', '.join(own)}" if own else "it defines no function"
