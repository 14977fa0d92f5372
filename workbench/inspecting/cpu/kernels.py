"""What is compiled for a target of the command line: functions, and arguments of the types that the operation gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels import OPS, implementations
from kernels.declare.op import Op
from workbench.inspecting.cpu.line_tables import UNNAMED
from workbench.sampling import Case
from workbench.system.errors import InputError
from workbench.target.binding import Kernel, bind, is_stencil, is_ufunc, python_function
from workbench.target.file import is_file_target, load_file

Function = Callable[..., Any]


@dataclass(frozen=True)
class Subject:
    """A kernel to inspect.

    Attributes
    ----------
    target, op, name : what it was asked for as, the operation, the kernel's name
    function : the kernel, in whatever way it was compiled
    arguments : what it is called with
    """

    target: str
    op: str
    name: str
    function: Function
    arguments: tuple[Any, ...]

    @property
    def file(self) -> str:
        """The file that it stands in."""
        inner = python_function(self.function)
        return inner.__code__.co_filename if inner is not None else UNNAMED


def subjects(target: str, op: str | None, dtype: str) -> list[Subject]:
    """Return the CPU kernels that a target names.

    Raises
    ------
    InputError
        It names none.
    """
    if is_file_target(target):
        found = [kernel for kernel in load_file(target, op=op).kernels if kernel.device == "cpu"]
        if not found:
            raise InputError(f"{target}: has no kernel for cpu; add --device cuda")
        return [_of_user(kernel, target, dtype) for kernel in found]
    built_in = [each for each in implementations(target) if each.device == "cpu"]
    if not built_in:
        raise InputError(f"{target}: has no kernel for cpu; name a file with one, FILE.py:NAME")
    by_name = _arguments(OPS[target], dtype)
    of_operation = []
    for each in built_in:
        left_out = set(OPS[target].outputs) - set(each.computes or OPS[target].outputs)
        arguments = tuple(value for name, value in by_name.items() if name not in left_out)
        of_operation.append(Subject(target, target, each.name, each.function, arguments))
    return of_operation


def _of_user(kernel: Kernel, target: str, dtype: str) -> Subject:
    bound = bind(kernel)
    by_name = _arguments(kernel.op, dtype)
    if python_function(kernel.function) is None and is_ufunc(kernel.function):
        raise InputError(
            f"{kernel.name}: keeps no Python function to compile again; leave target=... out of @vectorize"
        )
    function, names = kernel.function, bound.parameters
    if is_stencil(kernel.function):
        raise InputError(f"{kernel.name}: a stencil is compiled into what calls it; call it from an @njit function")
    if bound.keywords:
        raise InputError(f"{kernel.name}: takes {', '.join(bound.keywords)} by keyword only; let it be positional")
    return Subject(target, kernel.op.name, kernel.name, function, tuple(by_name[name] for name in names))


def _arguments(op: Op, dtype: str) -> dict[str, Any]:
    """Return arguments by name, in the order of the calling convention: a small case's, C-contiguous."""
    case = _case(op, dtype)
    arrays = case.arrays()
    shapes = op.output_shapes({name: array.shape for name, array in arrays.items()}, case.options)
    outputs = {name: np.zeros(shape, dtype) for name, shape in zip(op.outputs, shapes, strict=True)}
    return arrays | {option.name: case.options[option.name] for option in op.options} | outputs


def _case(op: Op, dtype: str) -> Case:
    """Draw a small case that has something to compute, the same every time."""
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis.errors import NoSuchExample

    from workbench.sampling import cases

    def computes(case: Case) -> bool:
        shapes: Sequence[tuple[int, ...]] = op.output_shapes(case.shapes, case.options)
        return all(0 not in shape for shape in (*shapes, *case.shapes.values()))

    drawn = cases(op, dtype, layouts=("contiguous",), largest=6)
    quiet = settings(
        database=None,
        derandomize=True,
        deadline=None,
        max_examples=200,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return find(drawn, computes, settings=quiet)
        except NoSuchExample as error:
            raise InputError(f"{op.name}: no case of it has anything to compute; widen its options") from error
