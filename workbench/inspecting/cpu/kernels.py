"""Find the functions that a target names, and arguments of the types that the operation passes."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba.types import Array

from kernels import OPS
from kernels.declare.op import Op
from workbench.inspecting.cpu.line_tables import UNNAMED
from workbench.numba_internals.compiling import CPUDispatcher
from workbench.sampling import DTYPES, Case
from workbench.sampling.restriction import EVERYTHING, Restriction
from workbench.system.errors import InputError
from workbench.target.binding import UserKernel, bind, is_stencil, is_ufunc, python_function
from workbench.target.command_device import CPU, TIMED
from workbench.target.resolve import Target

Function = Callable[..., Any]


@dataclass(frozen=True)
class InspectedKernel:
    """A kernel to inspect.

    Attributes
    ----------
    target, op, name : the requested target, the operation, the kernel's name
    function : the kernel, compiled or not
    dtype : the precision that it is compiled for
    arguments : the arguments of its call
    types : the types that it is compiled for, if it has explicit signatures
    """

    target: str
    op: str
    name: str
    function: Function
    dtype: str
    arguments: tuple[Any, ...]
    types: tuple[Any, ...] | None = None

    @property
    def file(self) -> str:
        """The file that defines it."""
        inner = python_function(self.function)
        return inner.__code__.co_filename if inner is not None else UNNAMED


class UnreadableError(InputError):
    """A kernel has no machine code of its own to read: it is plain Python, a stencil, or keeps no source."""


def subjects(target: Target, dtype: str) -> list[InspectedKernel | UnreadableError]:
    """Return the CPU kernels that a target names; for one that cannot be read the reason.

    One that declares other precisions than the requested one has its first.

    Raises
    ------
    InputError
        The target names no CPU kernel.
    """
    if target.is_file:
        return [of_user(kernel, target.text, dtype) for kernel in target.kernels(CPU, TIMED)]
    name, built_in = target.text, target.built_in(CPU.kind)
    if not built_in:
        raise InputError(f"{name}: has no kernel for cpu; name a file with one, FILE.py:NAME")
    by_name = _arguments(OPS[name], dtype)
    of_operation: list[InspectedKernel | UnreadableError] = []
    for each in built_in:
        left_out = set(OPS[name].outputs) - set(each.computes or OPS[name].outputs)
        arguments = tuple(value for key, value in by_name.items() if key not in left_out)
        of_operation.append(InspectedKernel(name, name, each.name, each.function, dtype, arguments))
    return of_operation


def of_user(kernel: UserKernel, target: str, dtype: str) -> InspectedKernel | UnreadableError:
    """Return a user's kernel to inspect, in a precision that it is for, with arguments that it is for."""
    bound = bind(kernel)
    if kernel.only.dtypes and dtype not in kernel.only.dtypes:
        dtype = kernel.only.dtypes[0]
    by_name = _arguments(kernel.op, dtype, kernel.only)
    if python_function(kernel.function) is None and is_ufunc(kernel.function):
        return UnreadableError(
            f"{kernel.name}: has no Python function to compile again; remove target=... from @vectorize"
        )
    function, names = kernel.function, bound.parameters
    if is_stencil(kernel.function):
        return UnreadableError(f"{kernel.name}: a stencil is compiled into its caller; call it from an @njit function")
    if bound.keywords:
        return UnreadableError(
            f"{kernel.name}: takes {', '.join(bound.keywords)} by keyword only; let it be positional"
        )
    arguments = tuple(by_name[name] for name in names)
    types = own_types(function, arguments)
    if types is not None and (own := [each.dtype for each in types if isinstance(each, Array)]):
        dtype = next((str(each) for each in own if str(each) in DTYPES), dtype)
    return InspectedKernel(target, kernel.op.name, kernel.name, function, dtype, arguments, types)


def own_types(function: Function, arguments: Sequence[Any]) -> tuple[Any, ...] | None:
    """Return the types of a kernel's signature for the arguments' dtypes, or of its first one; None if it has none."""
    if not isinstance(function, CPUDispatcher) or function._can_compile:
        return None
    wanted = [_scalar(numba.typeof(each)) for each in arguments]
    signatures: list[tuple[Any, ...]] = [each.args for each in function.nopython_signatures]
    return next((types for types in signatures if [_scalar(each) for each in types] == wanted), signatures[0])


def _scalar(each: Any) -> Any:
    return getattr(each, "dtype", each)


def _arguments(op: Op, dtype: str, only: Restriction = EVERYTHING) -> dict[str, Any]:
    """Return the C-contiguous arguments of a small case, by name, in the order of the calling convention."""
    case = _case(op, dtype, only)
    arrays = case.arrays()
    shapes = op.output_shapes({name: array.shape for name, array in arrays.items()}, case.options)
    dtypes = op.dtypes_of_outputs(dtype)
    outputs = {name: np.zeros(shape, own) for name, shape, own in zip(op.outputs, shapes, dtypes, strict=True)}
    return arrays | {option.name: case.options[option.name] for option in op.options} | outputs


def _case(op: Op, dtype: str, only: Restriction) -> Case:
    """Draw a small case that has something to compute, the same at each call."""
    from hypothesis import find, settings
    from hypothesis.errors import NoSuchExample

    from workbench.sampling import cases
    from workbench.sampling.drawing_settings import drawing

    def computes(case: Case) -> bool:
        shapes: Sequence[tuple[int, ...]] = op.output_shapes(case.shapes, case.options)
        return all(0 not in shape for shape in (*shapes, *case.shapes.values()))

    drawn = cases(op, dtype, layouts=("contiguous",), largest=6, only=only)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return find(drawn, computes, settings=settings(drawing(200), derandomize=True))
        except NoSuchExample as error:
            raise InputError(f"{op.name}: no case has anything to compute; widen its options") from error
