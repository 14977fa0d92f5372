"""The cases of a request as a table: what ``workbench bench --list`` and ``workbench ops OP`` show."""

from collections.abc import Iterable
from typing import Any

from kernels import OPS
from kernels.declare.op import REQUIRED, Op
from kernels.declare.shapes import normal_options
from workbench.benching.networks import NetworkCase
from workbench.cases import BenchCase, is_batched, named_cases

COLUMNS = ("operation", "case", "inputs", "options", "GFLOP", "MB")

ITEM_BYTES = 4
"""Of float32, for the column "MB"."""


def unbatched(op: str) -> list[BenchCase]:
    """Return the named cases of an operation, each at one batch size."""
    return [case for case in named_cases(op) if not is_batched(case.name)]


def lines(listed: Iterable[BenchCase | NetworkCase]) -> list[tuple[str, ...]]:
    """Return a line for every case: its name, inputs and options as ``--case`` takes them, arithmetic, bytes to move."""
    found: list[tuple[str, ...]] = []
    for case in listed:
        if isinstance(case, NetworkCase):
            steps = f", {case.steps} steps" if case.steps > 1 else ""
            found.append((case.op, case.name, f"batch {case.batch}{steps}", "", f"{case.flops / 1e9:.3g}", ""))
            continue
        op = OPS[case.op]
        cost = op.cost(case.shapes, case.options, ITEM_BYTES)
        inputs = " ".join(f"{name}={'x'.join(map(str, shape))}" for name, shape in case.shapes.items())
        found.append(
            (case.op, case.name, inputs, _option_words(op, case), f"{cost.flops / 1e9:.3g}", f"{cost.bytes / 1e6:.3g}")
        )
    return found


def _option_words(op: Op, case: BenchCase) -> str:
    """Return the options that are not at their default."""
    needed = {option.name: case.options[option.name] for option in op.options if option.default is REQUIRED}
    default = normal_options(op, needed, case.shapes)
    return " ".join(
        f"{name}={_option_word(value)}"
        for name, value in case.options.items()
        if name in needed or value != default[name]
    )


def _option_word(value: Any) -> str:
    """Return a value in normal form in its shortest form."""
    if isinstance(value, tuple):
        first, second = map(_option_word, value)
        return first if first == second else f"{first}x{second}"
    return str(value).lower()
