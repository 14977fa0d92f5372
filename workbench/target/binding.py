"""The adapter between a user's kernel and the calling convention: arguments are bound by name.

A kernel's parameters are a subset of the names of its operation's inputs, options (in normal form) and outputs. If outputs
are among them, the kernel fills those; otherwise it returns its result. Nothing else depends on the names of a kernel's
parameters.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from operator import itemgetter
from typing import Any, Literal

import numpy as np

from kernels.compile.jit import current_stream
from kernels.declare.op import REQUIRED, Implementation, Op, Options, Shapes
from kernels.declare.shapes import normal_options
from kernels.memory.devices import is_device_array
from workbench.sampling.restriction import EVERYTHING, Restriction
from workbench.system.errors import InputError
from workbench.system.python_code import closure_values, names_in
from workbench.target.launch import Extent
from workbench.target.widening import widening


class WrongResult(Exception):  # noqa: N818 - a verdict on the kernel
    """A kernel returned something other than the result of its operation; the text is the reason."""


@dataclass(frozen=True, kw_only=True)
class UserKernel:
    """A user's kernel.

    Attributes
    ----------
    function : a Python function, or the result of @njit, @cuda.jit, @vectorize, @guvectorize or @stencil
    op : the operation that it computes
    device : the kind of arrays that it works on
    grid, block, shared : how a bare CUDA kernel is launched: blocks, threads, bytes of dynamic shared memory
    accumulate : the precision that it declares to compute in, a key of ``bounds.ACCUMULATE``
    only : the calls that it is for
    names : by parameter, the name in the operation of those that have another
    variable : the variable of its file that holds it; empty if there is none
    """

    function: Any
    op: Op
    device: Literal["cpu", "cuda"]
    grid: Extent | None = None
    block: Extent | None = None
    shared: int | Callable[..., int] = 0
    accumulate: str | None = None
    only: Restriction = EVERYTHING
    names: Mapping[str, str] = field(default_factory=dict)
    variable: str = ""

    @property
    def name(self) -> str:
        """The name of its variable, or else of the function."""
        return self.variable or function_name(self.function)


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A kernel's parameters, in its order, as names of its operation.

    Attributes
    ----------
    parameters : the names that are passed by position
    keywords : the names that are passed by keyword
    computes : the outputs that it fills, or returns
    returns : whether it returns them
    fixed : options and optional inputs that it does not take
    unused : other inputs that it does not take, because the outputs that it computes do not depend on them
    """

    parameters: tuple[str, ...]
    keywords: tuple[str, ...]
    computes: tuple[str, ...]
    returns: bool
    fixed: tuple[str, ...]
    unused: tuple[str, ...] = ()


def function_name(function: Any) -> str:
    """Return the name of a function, decorated or not."""
    inner = python_function(function)
    return str(getattr(inner, "__name__", None) or getattr(function, "__name__", type(function).__name__))


def python_function(function: Any) -> Any:
    """Return the Python function of a decorated one; None if it has none."""
    for attribute in ("py_func", "__wrapped__"):
        if callable(inner := getattr(function, attribute, None)):
            return inner
    if is_stencil(function):
        return function.kernel_ir.func_id.func
    return function if inspect.isfunction(function) else None


def is_cuda_kernel(function: Any) -> bool:
    """Return whether ``function`` is the result of @cuda.jit, on a GPU or in the simulator."""
    return type(function).__name__ in ("CUDADispatcher", "FakeCUDAKernel")


def is_ufunc(function: Any) -> bool:
    """Return whether ``function`` is the result of @vectorize or @guvectorize."""
    return isinstance(function, np.ufunc) or type(function).__name__ in ("DUFunc", "GUFunc")


def is_stencil(function: Any) -> bool:
    """Return whether ``function`` is the result of @stencil."""
    return type(function).__name__ == "StencilFunc"


def is_kernel(value: Any) -> bool:
    """Return whether ``value`` can be a kernel: a function, decorated or not."""
    return is_cuda_kernel(value) or is_ufunc(value) or is_stencil(value) or inspect.isfunction(python_function(value))


def kind_of(function: Any) -> Literal["cpu", "cuda"]:
    """Return the kind of arrays that a kernel works on: "cuda" for a CUDA kernel or a host function that launches one."""
    if is_cuda_kernel(function):
        return "cuda"
    inner = python_function(function)
    if inner is not function or inner is None:
        return "cpu"  # compiled for the CPU
    reached = [inner.__globals__.get(name) for name in names_in(inner.__code__)]
    reached += closure_values(inner)
    on_cuda = any(is_cuda_kernel(value) or getattr(value, "__name__", "") == "numba.cuda" for value in reached)
    return "cuda" if on_cuda else "cpu"


def bind(kernel: UserKernel) -> Bound:
    """Match a kernel's parameters with the names of its operation.

    Raises
    ------
    InputError
        A parameter binds to nothing; a required input is not among the parameters; a CUDA kernel has no launch.
    """
    op, name = kernel.op, kernel.name
    inputs = {item.name: item for item in op.inputs}
    known = (*inputs, *(option.name for option in op.options), *op.outputs)
    positional, keywords = _parameters(kernel, known)
    parameters = positional + keywords
    filled = tuple(output for output in op.outputs if output in parameters)
    unused = tuple(item.name for item in op.inputs if item.name not in parameters and not item.optional)
    is_partial = bool(filled) and filled != op.outputs  # and need not depend on all inputs
    needed = op.needs(filled or op.outputs) if not is_partial or set(filled) <= op.parts.keys() else ()
    if missing := [each for each in unused if each in needed]:
        raise InputError(
            f"{name} takes no {missing[0]}, an input of {op.name}; add it to its parameters, or say which of them it is: "
            f'names={{"...": "{missing[0]}"}}'
        )
    for option in op.options:
        if option.name not in (*parameters, *kernel.only.values) and option.default is REQUIRED:
            raise InputError(f"{name} takes no {option.name}, which {op.name} needs; add it to its parameters")
    if is_cuda_kernel(kernel.function):
        if not filled:
            outputs = " or ".join(op.outputs)
            raise InputError(
                f"{name} is a CUDA kernel and cannot return; add {outputs} to its parameters, to be filled"
            )
        if kernel.grid is None or kernel.block is None:
            raise InputError(
                f"{name} is a CUDA kernel without a launch; decorate it with "
                f'@implements("{op.name}", grid=lambda {filled[0]}: -(-{filled[0]}.size // 128), block=128)'
            )
        _check_launch(kernel, (*inputs, *(option.name for option in op.options), *filled))
    fixed = [item.name for item in op.inputs if item.optional] + [option.name for option in op.options]
    return Bound(
        parameters=positional,
        keywords=keywords,
        computes=filled or op.outputs,
        returns=not filled,
        fixed=tuple(each for each in fixed if each not in (*parameters, *kernel.only.values)),
        unused=unused,
    )


def _check_launch(kernel: UserKernel, known: tuple[str, ...]) -> None:
    for what, extent in (("grid", kernel.grid), ("block", kernel.block), ("shared", kernel.shared)):
        for each in inspect.signature(extent).parameters if callable(extent) else ():
            if kernel.names.get(each, each) not in known:
                raise _unknown(f"{kernel.name}: {what}", [each], kernel.op, known)


def _unknown(who: str, strangers: Sequence[str], op: Op, known: Sequence[str], remedy: str = "") -> InputError:
    near = [each for name in strangers for each in get_close_matches(name, known, n=1)]
    hint = f"did you mean {', '.join(near)}? " if near else ""
    return InputError(
        f"{who} takes {', '.join(strangers)}, unknown to {op.name}; {hint}it has {', '.join(known)}{remedy}"
    )


def implementation(kernel: UserKernel, function: Any = None) -> Implementation:
    """Return a kernel as an implementation in the calling convention.

    Parameters
    ----------
    kernel : the user's kernel
    function : called instead of it, with the same parameters; None: the kernel's own function

    Raises
    ------
    InputError
        As ``bind`` does.
    """
    bound, op = bind(kernel), kernel.op
    return Implementation(
        op=op.name,
        device=kernel.device,
        algorithm="user",
        target=_adapted(kernel, bound, kernel.function if function is None else function),
        accepts=accepting(op, bound, kernel.only),
        when=str(kernel.only),
        views=True,
        computes=None if bound.computes == op.outputs else bound.computes,
    )


def accepting(op: Op, bound: Bound, only: Restriction) -> Callable[[Shapes, Options, str], bool]:
    """Return the rule of the cases that a kernel takes.

    Options that are not among its parameters are at their default, and what it declares holds.
    """

    def accepts(shapes: Shapes, options: Options, dtype: str) -> bool:
        if only.dtypes and dtype not in only.dtypes:
            return False
        if not only.accepts(op, shapes, options):
            return False
        free = {name: value for name, value in options.items() if name not in bound.fixed}
        return bool(options == normal_options(op, free, shapes))

    return accepts


def _adapted(kernel: UserKernel, bound: Bound, function: Any) -> Callable[..., None]:
    op = kernel.op
    names = (*(item.name for item in op.inputs), *(option.name for option in op.options), *bound.computes)
    is_plain = not (bound.returns or bound.keywords or is_cuda_kernel(function) or is_ufunc(function))
    own = {name: parameter for parameter, name in kernel.names.items()}
    pick = itemgetter(*map(names.index, bound.parameters))  # at least an input and an output

    def call_plainly(*arguments: Any) -> None:
        function(*pick(arguments))

    def call(*arguments: Any) -> None:
        by_name = dict(zip(names, arguments, strict=True))
        given = [by_name[name] for name in bound.parameters]
        _check_loops(function, given)
        if is_cuda_kernel(function):
            _launch(kernel, function, by_name, given)
            return
        result = function(*given, **{own.get(name, name): by_name[name] for name in bound.keywords})
        if bound.returns:
            _take(result, by_name, bound.computes, kernel.function)

    chosen = call_plainly if is_plain else call  # the plain way adds less than a microsecond to what bench times
    chosen.__name__ = chosen.__qualname__ = kernel.name
    return chosen


def _check_loops(function: Any, given: Sequence[Any]) -> None:
    """Refuse arguments that a ufunc with explicit signatures would first convert to another dtype."""
    fixed = isinstance(function, np.ufunc) or getattr(function, "_frozen", False)
    if not is_ufunc(function) or not fixed:
        return
    inputs = "".join(np.asarray(value).dtype.char for value in given[: function.nin])
    if inputs not in {loop.partition("->")[0] for loop in function.types}:
        raise TypeError(
            f"{function_name(function)} did not contain a loop for {inputs}; it has {', '.join(function.types)}"
        )


def _launch(kernel: UserKernel, function: Any, by_name: Mapping[str, Any], given: Sequence[Any]) -> None:
    """Launch a bare CUDA kernel on the current stream; a grid without blocks has nothing to do."""
    by_name = {**by_name, **{own: by_name[name] for own, name in kernel.names.items()}}
    grid, block = _extent(kernel.grid, by_name), _extent(kernel.block, by_name)
    shared = kernel.shared(**_wanted(kernel.shared, by_name)) if callable(kernel.shared) else kernel.shared
    if 0 not in (grid if isinstance(grid, tuple) else (grid,)):
        function[grid, block, current_stream(), shared](*given)


def _extent(extent: Any, by_name: Mapping[str, Any]) -> int | tuple[int, ...]:
    value = extent(**_wanted(extent, by_name)) if callable(extent) else extent
    return tuple(int(size) for size in value) if isinstance(value, tuple | list) else int(value)


def _wanted(function: Callable[..., Any], by_name: Mapping[str, Any]) -> dict[str, Any]:
    return {name: by_name[name] for name in inspect.signature(function).parameters}


def _take(result: Any, by_name: Mapping[str, Any], outputs: tuple[str, ...], function: Any) -> None:
    """Copy what a kernel returned into the outputs."""
    results = result if len(outputs) > 1 else (result,)
    if not isinstance(results, tuple | list) or len(results) != len(outputs):
        raise WrongResult(f"returns {_kind(result)}; needs a tuple of {len(outputs)} arrays: {', '.join(outputs)}")
    for name, value in zip(outputs, results, strict=True):
        target = by_name[name]
        if value is None:
            raise WrongResult(f"returns None; needs {name}, or take {name} as a parameter and fill it")
        whole = isinstance(value, int | np.integer)
        if target.ndim == 0 and (whole or (target.dtype.kind == "f" and isinstance(value, float | np.floating))):
            target[()] = value
            continue
        if not isinstance(value, np.ndarray) and not is_device_array(value):
            raise WrongResult(f"returns {_kind(value)} for {name}; needs an array")
        if is_device_array(value) != is_device_array(target):
            there, here = ("device", "host") if is_device_array(value) else ("host", "device")
            raise WrongResult(f"returns {name} on the {there}; needs it on the {here}, where its inputs are")
        if tuple(value.shape) != tuple(target.shape):
            raise WrongResult(f"returns {name} of shape {tuple(value.shape)}; needs {tuple(target.shape)}")
        if value.dtype != target.dtype:
            widened = value.dtype == np.float64 and target.dtype.kind == "f"
            remedy = f"; {widening(python_function(function), target.dtype)}" if widened else ""
            raise WrongResult(f"returns {name} of dtype {value.dtype}; needs {target.dtype}{remedy}")
        if isinstance(value, np.ndarray):
            for other, array in by_name.items():
                if isinstance(array, np.ndarray) and array is not target and np.may_share_memory(value, array):
                    raise WrongResult(f"returns {name} in the memory of its input {other}; needs an array of its own")
            target[...] = value
        else:
            target.copy_to_device(value)


def _kind(value: Any) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _parameters(kernel: UserKernel, known: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that a kernel takes by position, in its order, and by keyword; unknown ones need a default."""
    name, function = kernel.name, kernel.function
    if is_stencil(function):
        return tuple(kernel.names.get(each, each) for each in function.kernel_ir.arg_names), ()
    inner = python_function(function)
    if inner is None:  # a bare ufunc knows no names
        return tuple(item.name for item in kernel.op.inputs)[: getattr(function, "nin", len(known))], ()
    own = inspect.signature(inner).parameters
    for theirs, each in kernel.names.items():
        if theirs not in own:
            raise InputError(f"{name}: names: it has no parameter {theirs}; it has {', '.join(own)}")
        if each not in known:
            raise _unknown(f"{name}: names", [each], kernel.op, known)
    positional, keywords, stranger, unknown = [], [], "", []
    for parameter in own.values():
        each = kernel.names.get(parameter.name, parameter.name)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InputError(f"{name} takes {parameter}, which binds to no name; list its parameters by name")
        if each not in known:
            if parameter.default is parameter.empty:
                unknown.append(each)
            stranger = stranger or each
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keywords.append(each)
        elif stranger and not unknown:
            raise InputError(f"{name} takes {stranger} before {each}; put parameters of its own last")
        else:
            positional.append(each)
    if unknown:
        remedy = f'; rename {unknown[0]}, or say which of them it is: names={{"{unknown[0]}": "..."}}'
        raise _unknown(name, unknown, kernel.op, known, remedy)
    return tuple(positional), tuple(keywords)
