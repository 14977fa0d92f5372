"""The registry as a table: what ``workbench ops`` prints and docs/operations.md shows."""

from collections.abc import Sequence

from kernels import OPS, implementations
from kernels.declare.op import REQUIRED, Implementation, Op, Option

COLUMNS = ("operation", "computes", "arguments", "options", "cpu", "cuda")


def rows(names: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Return a row for every operation, or for those named, in the order of COLUMNS."""
    return [
        (
            op.name,
            op.summary,
            ", ".join(item.name + ("=None" if item.optional else "") for item in op.inputs),
            ", ".join(map(_option, op.options)) or "-",
            _algorithms(op, "cpu"),
            _algorithms(op, "cuda"),
        )
        for op in OPS.values()
        if not names or op.name in names
    ]


def _option(option: Option) -> str:
    return option.name if option.default is REQUIRED else f"{option.name}={option.default}"


def _algorithms(op: Op, device: str) -> str:
    return ", ".join(_algorithm(each) for each in implementations(op.name) if each.device == device) or "-"


def _algorithm(implementation: Implementation) -> str:
    """Return an algorithm's name; for an operation with several, with the outputs it computes and its rule in brackets."""
    detail = "; ".join(filter(None, (", ".join(implementation.computes or ()), implementation.when)))
    return f"{implementation.algorithm} ({detail})" if detail else implementation.algorithm
