"""Find the launches that the targets of the command make."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from kernels import OPS, Implementation, KernelsError, Op
from kernels.declare.op import REQUIRED, TENSOR_CORES, Options, Shapes
from kernels.declare.shapes import normal_options
from workbench.cases import BenchCase, is_batched, named_cases, parse_case
from workbench.inspecting.cuda.offline import without_driver
from workbench.inspecting.cuda.recording import RecordedLaunch, on_device, record
from workbench.sampling.restriction import EVERYTHING, Restriction
from workbench.system.compute_capability import ComputeCapability
from workbench.system.errors import InputError, first_line
from workbench.target.binding import implementation
from workbench.target.command_device import CUDA, TIMED
from workbench.target.resolve import Target
from workbench.target.trial import Within

EXAMPLE_SIZE = 64
"""The size of every axis of an operation without a named case."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A launch and its implementation.

    Attributes
    ----------
    place : the number of the implementation and case among those that are launched
    implementation : the implementation that makes it
    case : the named case, or the shapes, that it is made for
    launch : the launch
    """

    implementation: Implementation
    case: str
    launch: RecordedLaunch
    place: int = 0

    def compiled_for(self, ccs: Iterable[ComputeCapability]) -> list[ComputeCapability]:
        """Return the compute capabilities that have what the implementation computes with."""
        return [cc for cc in ccs if self.implementation.precision is None or cc >= TENSOR_CORES]


def launches(targets: Iterable[Target], dtype: str, case: str | None = None) -> list[Launched]:
    """Return every launch of the targets' CUDA implementations.

    Parameters
    ----------
    targets : operations, whose built-in kernels are meant, and files
    dtype : "float32" or "float64", of the arrays
    case : a named case, a pattern of several, or shapes, see ``_cases_of``; None: an example for each implementation

    Raises
    ------
    InputError
        A target has nothing for CUDA; an implementation launches nothing.
    """
    work = [pair for target in targets for pair in work_of(target, dtype, case, without_driver)]
    return [launched for place, each in enumerate(work) for launched in _recorded(place, *each, dtype)]


def work_of(target: Target, dtype: str, case: str | None, within: Within) -> list[tuple[Implementation, BenchCase]]:
    """Return the CUDA implementations of a target with their cases; of those of an operation, the ones that accept any."""
    found: list[tuple[Implementation, BenchCase]] = []
    refused: list[UnacceptedError] = []
    for each, only in _implementations_of(target, within):
        try:
            found += [(each, one) for one in _cases_of(each, only, dtype, case)]
        except UnacceptedError as error:
            refused.append(error)
    if refused and (target.is_file or not found):
        raise refused[0]
    return found


class UnacceptedError(InputError):
    """An implementation accepts none of the cases."""


def _implementations_of(target: Target, within: Within) -> list[tuple[Implementation, Restriction]]:
    """Return the CUDA implementations of a target, each with the calls that it is for; files are imported in a context."""
    if not target.is_file:
        return [(each, EVERYTHING) for each in target.built_in(CUDA.kind)]
    with within():
        return [(implementation(kernel), kernel.only) for kernel in target.kernels(CUDA, TIMED)]


def _recorded(place: int, each: Implementation, case: BenchCase, dtype: str) -> list[Launched]:
    name, shapes, options = case.name, case.shapes, case.options
    op = OPS[each.op]
    inputs = [np.zeros(shapes[item.name], item.own_dtype or np.dtype(dtype)) for item in op.inputs]
    sizes = list(zip(op.output_shapes(shapes, options), op.dtypes_of_outputs(dtype), strict=True))
    outputs = [np.zeros(*size) for size in each.of_outputs(op.outputs, sizes)]
    arguments = (*map(on_device, inputs), *op.option_values(options), *map(on_device, outputs))
    found, fault = record(each.function, arguments)
    if not found:
        reason = f"it fails first: {type(fault).__name__}: {first_line(fault)}" if fault else "it computes elsewhere"
        raise InputError(f"{each.name}: launches no CUDA kernel; {reason}")
    return [Launched(implementation=each, case=name, launch=launch, place=place) for launch in found]


def _cases_of(each: Implementation, only: Restriction, dtype: str, text: str | None) -> list[BenchCase]:
    """Return the cases of an implementation that a text names: those of a pattern that it accepts, or a single one."""
    if text is None:
        return [_example_case(each, only, dtype)]
    if "*" in text and "=" not in text:
        named = [one for one in named_cases(each.op) if fnmatchcase(one.name, text) and not is_batched(one.name)]
        return [one for one in named if each.accepts(one.shapes, one.options, dtype)]
    found = next((one for one in named_cases(each.op) if one.name == text), None)
    if found is None:
        if "=" not in text:
            known = ", ".join(dict.fromkeys(one.name for one in named_cases(each.op)))
            raise InputError(f"--case {text}: {each.op} has no case of this name; it has {known or 'none'}")
        found = parse_case(OPS[each.op], text)
    if not each.accepts(found.shapes, found.options, dtype):
        raise UnacceptedError(f"--case {text}: {each.name} does not accept it")
    return [found]


def _example_case(each: Implementation, only: Restriction, dtype: str) -> BenchCase:
    """Return the first named case that an implementation accepts, else one with all sizes equal, as far as it allows."""
    if only.dtypes and dtype not in only.dtypes:
        raise InputError(f"{each.name}: is for {', '.join(only.dtypes)} only, as it declares; --dtype {only.dtypes[0]}")
    for case in named_cases(each.op):
        if each.accepts(case.shapes, case.options, dtype):
            return case
    op = OPS[each.op]
    try:
        shapes, options = _example(op, only)
        if each.accepts(shapes, options, dtype):
            name = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())
            return BenchCase(name=name, op=op.name, shapes=dict(shapes), options=dict(options))
    except (KernelsError, ArithmeticError, LookupError, ValueError, TypeError) as error:
        raise InputError(f"{op.name}: no example call of it could be made: {first_line(error)}") from error
    raise UnacceptedError(
        f"{each.name}: accepts no named case of {op.name}, nor one with its options at their defaults"
    )


def _example(op: Op, only: Restriction) -> tuple[Shapes, Options]:
    given = {option.name: int(option.low) or 1 for option in op.options if option.default is REQUIRED}
    sizes: dict[str, int] = {}
    for symbol in sorted(op.symbols, key=lambda each: each in op.least):
        least = op.least[symbol](sizes, given) if symbol in op.least else 1
        low, high = only.sizes.get(symbol, (1, EXAMPLE_SIZE))
        sizes[symbol] = max(min(EXAMPLE_SIZE, high), low, least)
    shapes: Shapes = {
        item.name: (EXAMPLE_SIZE, EXAMPLE_SIZE) if item.axes is None else item.shape(sizes) for item in op.inputs
    }
    return shapes, normal_options(op, {**given, **only.values}, shapes)
