"""Find the functions that a target names, and arguments of the types that the operation passes."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels import OPS
from kernels.declare.op import Op
from workbench.inspecting.cpu.line_tables import UNNAMED
from workbench.sampling import Case
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
    arguments : the arguments of its call
    """

    target: str
    op: str
    name: str
    function: Function
    arguments: tuple[Any, ...]

    @property
    def file(self) -> str:
        """The file that defines it."""
        inner = python_function(self.function)
        return inner.__code__.co_filename if inner is not None else UNNAMED


class UnreadableError(InputError):
    """A kernel has no machine code of its own to read: it is plain Python, a stencil, or keeps no source."""


def subjects(target: Target, dtype: str) -> list[InspectedKernel | UnreadableError]:
    """Return the CPU kernels that a target names; for one that cannot be read the reason.

    Raises
    ------
    InputError
        The target names no CPU kernel.
    """
    if target.is_file:
        return [_of_user(kernel, target.text, dtype) for kernel in target.kernels(CPU, TIMED)]
    name, built_in = target.text, target.built_in(CPU.kind)
    if not built_in:
        raise InputError(f"{name}: has no kernel for cpu; name a file with one, FILE.py:NAME")
    by_name = _arguments(OPS[name], dtype)
    of_operation: list[InspectedKernel | UnreadableError] = []
    for each in built_in:
        left_out = set(OPS[name].outputs) - set(each.computes or OPS[name].outputs)
        arguments = tuple(value for key, value in by_name.items() if key not in left_out)
        of_operation.append(InspectedKernel(name, name, each.name, each.function, arguments))
    return of_operation


def _of_user(kernel: UserKernel, target: str, dtype: str) -> InspectedKernel | UnreadableError:
    bound = bind(kernel)
    by_name = _arguments(kernel.op, dtype)
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
    return InspectedKernel(target, kernel.op.name, kernel.name, function, tuple(by_name[name] for name in names))


def _arguments(op: Op, dtype: str) -> dict[str, Any]:
    """Return the C-contiguous arguments of a small case, by name, in the order of the calling convention."""
    case = _case(op, dtype)
    arrays = case.arrays()
    shapes = op.output_shapes({name: array.shape for name, array in arrays.items()}, case.options)
    outputs = {name: np.zeros(shape, dtype) for name, shape in zip(op.outputs, shapes, strict=True)}
    return arrays | {option.name: case.options[option.name] for option in op.options} | outputs


def _case(op: Op, dtype: str) -> Case:
    """Draw a small case that has something to compute, the same at each call."""
    from hypothesis import find, settings
    from hypothesis.errors import NoSuchExample

    from workbench.sampling import cases
    from workbench.sampling.drawing_settings import drawing

    def computes(case: Case) -> bool:
        shapes: Sequence[tuple[int, ...]] = op.output_shapes(case.shapes, case.options)
        return all(0 not in shape for shape in (*shapes, *case.shapes.values()))

    drawn = cases(op, dtype, layouts=("contiguous",), largest=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return find(drawn, computes, settings=settings(drawing(200), derandomize=True))
        except NoSuchExample as error:
            raise InputError(f"{op.name}: no case has anything to compute; widen its options") from error
