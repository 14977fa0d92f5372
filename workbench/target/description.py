"""What the command knows about a user's file: facts that the process that imports the file sends as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import FunctionType, ModuleType
from typing import Any, Literal

import msgspec

from kernels import OPS, Op
from kernels import ops as built_in
from kernels.compile.disk_cache import KERNELS
from workbench.numba_internals.compiling import CPUDispatcher
from workbench.oracle.bounds import ACCUMULATE
from workbench.sampling.restriction import Restriction
from workbench.system.python_code import closure_values, is_library_file, loops, names_in
from workbench.target.binding import Bound, UserKernel, bind, python_function
from workbench.target.file import UserFile

_BUILT_IN = ("kernels.functions.", "kernels.ops.", "kernels.call.")
"""The modules of the built-in kernels; users' kernels may use the rest of the package, such as its register tiles."""


@dataclass(frozen=True, kw_only=True)
class KernelFacts:
    """The facts about a user's kernel.

    Attributes
    ----------
    name, variable : as of ``UserKernel``
    op : the name of its operation
    device : the kind of arrays that it works on
    bound : the names of its operation that its parameters are bound to
    accumulate : the precision that it declares to compute in
    only : the calls that it is for
    fastmath : whether it was compiled under the assumption that there are no NaN and no infinities
    has_body : whether its Python body can be run in place of the kernel, on the CPU
    reaches : the built-in kernels and functions that its code names
    interpreted : whether Python runs its loops, as it is not compiled and calls nothing that is
    """

    name: str
    variable: str
    op: str
    device: Literal["cpu", "cuda"]
    bound: Bound
    accumulate: str | None
    only: Restriction
    fastmath: bool
    has_body: bool
    reaches: tuple[str, ...]
    interpreted: bool


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """The facts about a user's file.

    Attributes
    ----------
    kernels : the selected kernels
    ops : the names of the operations that it declares
    named : whether a single kernel was requested by name
    """

    kernels: tuple[KernelFacts, ...]
    ops: tuple[str, ...]
    named: bool

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> FileFacts:
        """Read facts that a process sent.

        Raises
        ------
        ValueError
            They are not facts about a file.
        """
        found = msgspec.convert(data, cls)
        if not built_in.OPS.keys().isdisjoint(found.ops):
            raise ValueError(found.ops)  # their kernels would be judged by what the file declares
        for kernel in found.kernels:
            if kernel.op in OPS:
                _check_names(kernel, OPS[kernel.op])
            elif kernel.op not in found.ops:
                raise ValueError(kernel.op)
        return found


def _check_names(kernel: KernelFacts, op: Op) -> None:
    """Refuse facts by which less than a kernel's outputs would be judged, or by another precision than there is."""
    bound = kernel.bound
    outputs = tuple(each for each in op.outputs if each in bound.computes)
    free = [item.name for item in op.inputs if item.optional] + [option.name for option in op.options]
    if not outputs or outputs != bound.computes or not set(bound.fixed) <= set(free):
        raise ValueError(kernel.name)
    if kernel.accumulate not in (None, *ACCUMULATE):
        raise ValueError(kernel.accumulate)


def facts(loaded: UserFile) -> FileFacts:
    """Return the facts about a file that this process has imported."""
    return FileFacts(
        kernels=tuple(_facts(kernel) for kernel in loaded.kernels),
        ops=tuple(op.name for op in loaded.ops),
        named=loaded.named,
    )


def _facts(kernel: UserKernel) -> KernelFacts:
    return KernelFacts(
        name=kernel.name,
        variable=kernel.variable,
        op=kernel.op.name,
        device=kernel.device,
        bound=bind(kernel),
        accumulate=kernel.accumulate,
        only=kernel.only,
        fastmath=is_fastmath(kernel.function),
        has_body=has_body(kernel),
        reaches=built_in_reached(kernel.function),
        interpreted=is_interpreted(kernel),
    )


def has_body(kernel: UserKernel) -> bool:
    """Return whether a kernel's Python body can be run in place of the kernel, on the CPU."""
    return kernel.device == "cpu" and has_python_body(kernel.function)


def has_python_body(function: Any) -> bool:
    """Return whether ``function`` is plain Python or the result of @njit."""
    inner = python_function(function)
    return inner is not None and (inner is function or isinstance(function, CPUDispatcher))


def is_interpreted(kernel: UserKernel) -> bool:
    """Return whether a kernel for the CPU loops in plain Python, and names no compiled function."""
    function = kernel.function
    if kernel.device != "cpu" or python_function(function) is not function or not loops(function.__code__):
        return False
    named = names_in(function.__code__) & function.__globals__.keys()
    values = (*(function.__globals__[name] for name in named), *closure_values(function))
    return all(isinstance(each, FunctionType | type | ModuleType) or not callable(each) for each in values)


def is_fastmath(function: Any) -> bool:
    """Return whether a function was compiled under the assumption that there are no NaN and no infinities."""
    options: dict[str, Any] = getattr(function, "targetoptions", {})
    fastmath = options.get("fastmath", False)
    if isinstance(fastmath, set | frozenset | list | tuple | dict):
        return bool({"nnan", "ninf", "fast"} & set(fastmath))
    return fastmath is True


def built_in_reached(function: Any) -> tuple[str, ...]:
    """Return the built-in kernels and public functions that the code of a kernel names, and of the functions it calls."""
    found: dict[str, None] = {}
    _collect(function, set(), found, set())
    return tuple(sorted(found))


def _collect(value: Any, names: set[str], found: dict[str, None], seen: set[tuple[int, frozenset[str]]]) -> None:
    if isinstance(value, ModuleType):
        key = (id(value), frozenset(names))
        of_package = getattr(value, "__name__", "").partition(".")[0] == "kernels"
        if key not in seen and (of_package or not _is_foreign(getattr(value, "__file__", None) or "")):
            seen.add(key)
            for name in names & vars(value).keys():
                _collect(vars(value)[name], names, found, seen)
        return
    inner = python_function(value) if callable(value) else None
    if not isinstance(inner, FunctionType) or (id(inner), frozenset()) in seen:
        return
    seen.add((id(inner), frozenset()))
    if str(inner.__module__).startswith(_BUILT_IN):
        found[inner.__name__] = None
        return
    if _is_foreign(inner.__code__.co_filename):
        return
    own = names_in(inner.__code__)
    for name in own & inner.__globals__.keys():
        _collect(inner.__globals__[name], own, found, seen)
    for each in closure_values(inner):
        _collect(each, own, found, seen)


def _is_foreign(file: str) -> bool:
    return not file or is_library_file(file) or file.startswith(f"{KERNELS}")
