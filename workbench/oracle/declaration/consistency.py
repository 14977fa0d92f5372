"""Checks of the declaration itself: its names exist, and its functions return shapes, counts and allowed options."""

from collections.abc import Sequence
from typing import Any

from kernels import OPS
from kernels.declare.op import REQUIRED, Op
from kernels.declare.rounding import Sum
from kernels.declare.shapes import normal_options
from workbench.oracle.declaration.checks import DeclarationFault
from workbench.oracle.declaration.reference_runs import DOUBLE
from workbench.sampling import Case


def names_exist(op: Op, _drawn: Sequence[Case]) -> None:
    """Check that the names in ``linear_in``, ``parts``, ``rounding`` and ``backward`` exist."""
    floats = [item.name for item in op.inputs if item.own_dtype is None]
    _expect_among("linear_in", op.linear_in, floats, "the float inputs")
    _expect_among("parts", list(op.parts), op.outputs, "the outputs")
    for name, part in op.parts.items():
        _expect_among(f"parts: needs of {name}", part.needs, [item.name for item in op.inputs], "the inputs")
    if isinstance(op.rounding, Sum):
        numbers = [item.name for item in op.inputs if item.kind != "index"]
        _expect_among("rounding's magnitudes", op.rounding.magnitudes, numbers, "the inputs that are not labels")
    if op.backward is None:
        return
    if op.backward not in OPS:
        raise DeclarationFault(f"backward is {op.backward!r}, which is not registered")
    backward = OPS[op.backward]
    known = ["dy", *(item.name for item in op.inputs), *op.outputs]
    inputs = [item.name for item in backward.inputs]
    _expect_among(f"the inputs of {backward.name}", inputs, known, "dy, the inputs and the outputs")
    gradients = [f"d{name}" for name in floats]
    _expect_among(f"the outputs of {backward.name}", backward.outputs, gradients, "the gradients of the float inputs")
    options = [option.name for option in op.options]
    _expect_among(
        f"the options of {backward.name}", [option.name for option in backward.options], options, "the options"
    )


def _expect_among(what: str, names: Sequence[str], known: Sequence[str], whose: str) -> None:
    for name in names:
        if name not in known:
            raise DeclarationFault(f"{what}: {name!r} is not among {whose} of the operation ({', '.join(known)})")


def shapes_fit_outputs(op: Op, case: Case) -> int:
    """Check that there is one shape, a tuple of sizes, for every output."""
    shapes = op.output_shapes(case.shapes, case.options)
    if len(shapes) != len(op.outputs):
        raise DeclarationFault(
            f"output_shapes gives {shapes}, {len(shapes)} for the {len(op.outputs)} outputs {op.outputs}"
        )
    for name, shape in zip(op.outputs, shapes, strict=True):
        if not isinstance(shape, tuple) or not all(_is_count(size) for size in shape):
            raise DeclarationFault(f"output_shapes gives {shape!r} for {name}; needs a tuple of sizes")
    return 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def costs_are_counts(op: Op, case: Case) -> int:
    """Check that flops and bytes are counts, and that the parts of all outputs add up to the whole."""
    cost = op.cost(case.shapes, case.options, DOUBLE.itemsize)
    for name, value in (("flops", cost.flops), ("bytes", cost.bytes)):
        if not _is_count(value):
            raise DeclarationFault(f"{name} is {value!r}; needs an int of at least 0")
    parts = {name: part.flops(case.shapes, case.options) for name, part in op.parts.items()}
    if not all(map(_is_count, parts.values())):
        raise DeclarationFault(f"flops of parts are {parts}; each must be an int of at least 0")
    if parts.keys() == set(op.outputs) and sum(parts.values()) != cost.flops:
        raise DeclarationFault(f"flops is {cost.flops}, but the parts together have {sum(parts.values())}: {parts}")
    return 1


def defaults_are_normal(op: Op, case: Case) -> int:
    """Check that the defaults are allowed values, and that the normal form of a normal form is itself."""
    defaults = {
        option.name: case.options[option.name] if option.default is REQUIRED else option.default
        for option in op.options
    }
    normal = normal_options(op, defaults, case.shapes)
    for options in (normal, case.options):
        again = normal_options(op, options, case.shapes)
        if again != options:
            raise DeclarationFault(
                f"the options {options} are in normal form, but normal_options turns them into {again}"
            )
    return 1


def roundings_are_counts(op: Op, case: Case) -> int:
    """Check that there is one count of roundings for every output."""
    if isinstance(op.rounding, Sum):
        counts = op.rounding.roundings(case.shapes, case.options)
        if len(counts) != len(op.outputs) or not all(_is_count(count) for count in counts):
            raise DeclarationFault(
                f"roundings gives {counts}; needs an int of at least 0 for each of the outputs {op.outputs}"
            )
    return 1
