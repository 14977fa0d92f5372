"""From the targets of the command to the launches that are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kernels import OPS, Implementation, KernelsError, Op, implementations
from kernels.declare.op import REQUIRED, Options, Shapes
from kernels.declare.shapes import normal_options
from workbench.cases import named_cases
from workbench.inspecting.cuda.offline import without_driver
from workbench.inspecting.cuda.recording import Launch, on_device, record
from workbench.system.errors import InputError
from workbench.target.binding import implementation
from workbench.target.file import is_file_target, load_file

EXAMPLE_SIZE = 64
"""The size of every axis of an operation that has no named case."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A launch, and whose it is.

    Attributes
    ----------
    implementation : what launches it
    case : the named case, or the shapes, that it was launched for
    launch : the launch
    """

    implementation: Implementation
    case: str
    launch: Launch


def launches(targets: Iterable[str], op: str | None, dtype: str) -> list[Launched]:
    """Return every launch of the targets' CUDA implementations.

    Parameters
    ----------
    targets : operations, whose built-in kernels are meant, and "FILE.py" or "FILE.py:NAME"
    op : the operation of a kernel that is not decorated
    dtype : "float32" or "float64", of the arrays

    Raises
    ------
    InputError
        A target is unknown or has nothing for CUDA; an implementation launches nothing.
    """
    return [
        launched for target in targets for each in _implementations(target, op) for launched in _recorded(each, dtype)
    ]


def _implementations(target: str, op: str | None) -> list[Implementation]:
    if is_file_target(target):
        with without_driver():
            kernels = load_file(target, op=op, device="cuda").kernels
        found = [implementation(kernel) for kernel in kernels if kernel.device == "cuda"]
        if not found:
            raise InputError(f"{target}: has no kernel for cuda; use --device cpu")
        return found
    if target not in OPS:
        raise InputError(f"unknown operation {target!r}; there are {', '.join(OPS)}")
    return [each for each in implementations(target) if each.device == "cuda" and each.algorithm != "user"]


def _recorded(each: Implementation, dtype: str) -> list[Launched]:
    name, shapes, options = _case(each, dtype)
    op = OPS[each.op]
    inputs = [np.zeros(shapes[item.name], np.int64 if item.kind == "index" else np.dtype(dtype)) for item in op.inputs]
    outputs = [np.zeros(shape, dtype) for shape in each.of_outputs(op.outputs, op.output_shapes(shapes, options))]
    arguments = (*map(on_device, inputs), *op.option_values(options), *map(on_device, outputs))
    found, fault = record(each.function, arguments)
    if not found:
        reason = f"it fails first: {type(fault).__name__}: {_first_line(fault)}" if fault else "it computes elsewhere"
        raise InputError(f"{each.name}: launches no CUDA kernel; {reason}")
    return [Launched(implementation=each, case=name, launch=launch) for launch in found]


def _case(each: Implementation, dtype: str) -> tuple[str, Shapes, Options]:
    """Return the first named case that an implementation accepts, else one with all sizes the same."""
    for case in named_cases(each.op):
        if each.accepts(case.shapes, case.options, dtype):
            return case.name, case.shapes, case.options
    op = OPS[each.op]
    try:
        shapes, options = _example(op)
        if each.accepts(shapes, options, dtype):
            return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()), shapes, options
    except (KernelsError, ArithmeticError, LookupError, ValueError, TypeError) as error:
        raise InputError(f"{op.name}: no example call of it could be made: {_first_line(error)}") from error
    raise InputError(f"{each.name}: accepts no named case of {op.name}, nor one with its options at their defaults")


def _example(op: Op) -> tuple[Shapes, Options]:
    given = {option.name: int(option.low) or 1 for option in op.options if option.default is REQUIRED}
    sizes: dict[str, int] = {}
    symbols = dict.fromkeys(symbol for item in op.inputs for symbol in item.axes or ())
    for symbol in sorted(symbols, key=lambda each: each in op.least):
        least = op.least[symbol](sizes, given) if symbol in op.least else 1
        sizes[symbol] = max(EXAMPLE_SIZE, least)
    shapes: Shapes = {
        item.name: (EXAMPLE_SIZE, EXAMPLE_SIZE) if item.axes is None else tuple(sizes[symbol] for symbol in item.axes)
        for item in op.inputs
    }
    return shapes, normal_options(op, given, shapes)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
