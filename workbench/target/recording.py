"""An operation of a user's whose functions record their calls, for the process that waits for the one that judges by it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from inspect import unwrap
from typing import Any

from kernels import Op
from kernels.declare.rounding import Analytic, Rounding, Sum
from workbench.system.call_record import recorded


@cache
def recorded_operation(op: Op, file: str) -> Op:
    """Return the operation with functions that record their calls; its file is for their names."""

    def of(part: str, function: Callable[..., Any]) -> Any:
        inner = unwrap(function)
        code = getattr(inner, "__code__", None)
        name = getattr(inner, "__name__", type(inner).__name__)
        line = "" if code is None else f", line {code.co_firstlineno}"
        return recorded(f"{file}: the {part} of {op.name} ({name}{line})", function)

    def of_each(part: str, functions: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
        return {name: of(f"{part} {name}", function) for name, function in functions.items()}

    rounding: Rounding = op.rounding
    if isinstance(rounding, Sum):
        rounding = replace(rounding, roundings=of("roundings", rounding.roundings))
    elif isinstance(rounding, Analytic):
        rounding = replace(rounding, bound=of("bound", rounding.bound))
    flops = of_each("flops of", {name: part.flops for name, part in op.parts.items()})
    return replace(
        op,
        output_shapes=of("output_shapes", op.output_shapes),
        flops=of("flops", op.flops),
        rounding=rounding,
        reference=of("reference", op.reference),
        window=None if op.window is None else of("window", op.window),
        parts={name: replace(part, flops=flops[name]) for name, part in op.parts.items()},
        alternatives=tuple(of("alternative", each) for each in op.alternatives),
        least=of_each("least", op.least),
    )
