"""Resource budgets of CUDA kernels per compute capability, kept in a file; a kernel that exceeds its budget fails.

A file holds a line of JSON for every kernel, precision and compute capability, so that a diff shows each change as a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

from msgspec import Meta, defstruct

from workbench.inspecting.cuda.counting import MULTIPLY_ADDS, widths
from workbench.inspecting.cuda.cuda_record import CudaReport
from workbench.inspecting.cuda.loops import Loop
from workbench.inspecting.cuda.sass_arithmetic import is_double
from workbench.system.documents import read_document
from workbench.system.errors import InputError
from workbench.system.files import atomic_path

UPDATE = "--update-budget"


@dataclass(frozen=True, kw_only=True)
class CompiledCost:
    """What a kernel takes.

    Attributes
    ----------
    registers : per thread
    spilled_bytes : registers written to and read from local memory, per thread
    local_bytes : stack frame, per thread
    shared_bytes : static and dynamic shared memory, per block
    float64_instructions : in a kernel without float64 arrays; 0 for others
    load_bits : of its widest global load, for each thread; fewer are worse, 0 without any
    multiply_add_percent : of the instructions in the innermost loop that has the most multiply-adds; fewer are worse. 0
        below half: arithmetic does not limit such a loop
    """

    registers: int
    spilled_bytes: int
    local_bytes: int
    shared_bytes: int
    float64_instructions: int
    load_bits: int
    multiply_add_percent: int

    def beyond(self, allowed: CompiledCost) -> dict[str, tuple[int, int]]:
        """Return what is worse than ``allowed``: both figures, by name."""
        both = {each.name: (getattr(self, each.name), getattr(allowed, each.name)) for each in fields(self)}
        return {
            name: (own, most)
            for name, (own, most) in both.items()
            if (own < most if name in _FEWER_ARE_WORSE else own > most)
        }


class Key(NamedTuple):
    """The kernel, precision and compute capability of a cost."""

    implementation: str
    kernel: str
    dtype: str
    compute_capability: str

    def __str__(self) -> str:
        whose = "" if self.kernel == self.implementation else f" of {self.implementation}"
        return f"{self.kernel}{whose}, {self.dtype} on {self.compute_capability}"


_FEWER_ARE_WORSE = ("load_bits", "multiply_add_percent")

Costs = dict[Key, CompiledCost]

_FIGURES = tuple(each.name for each in fields(CompiledCost))

_Entry = defstruct(
    "_Entry",
    [*((name, str) for name in Key._fields), *((name, Annotated[int, Meta(ge=0, le=2**40)]) for name in _FIGURES)],
)
"""A line of the file: a key and its cost."""


class _BudgetFile(TypedDict):
    tools: dict[str, str]
    kernels: list[_Entry]  # type: ignore[valid-type]


def costs(reports: Iterable[CudaReport]) -> Costs:
    """Return the costs of inspected kernels; for one launched in several ways, the worst of each figure."""
    found: Costs = {}
    for report in reports:
        key = Key(report.launched.implementation.name, report.kernel, report.dtype, ".".join(map(str, report.cc)))
        cost = _cost(report)
        found[key] = _worse(found[key], cost) if key in found else cost
    return found


def _cost(report: CudaReport) -> CompiledCost:
    launch, resources, code = report.launched.launch, report.resources, report.code.instructions
    loads = widths(code).get("global load", {})
    return CompiledCost(
        registers=resources.registers,
        spilled_bytes=resources.spill_store_bytes + resources.spill_load_bytes,
        local_bytes=resources.local_bytes,
        shared_bytes=resources.shared_bytes + launch.shared_bytes,
        float64_instructions=0 if launch.has_double_arrays else sum(map(is_double, code)),
        load_bits=max(map(int, loads), default=0),
        multiply_add_percent=_multiply_add_percent(report.loops),
    )


def _multiply_add_percent(loops: Iterable[Loop]) -> int:
    innermost = [loop for loop in loops if loop.innermost]
    counted = [(sum(each.base in MULTIPLY_ADDS for each in loop.instructions), loop.size) for loop in innermost]
    most, size = max(counted, default=(0, 1))
    percent = 100 * most // size
    return percent if percent >= 50 else 0


def _worse(one: CompiledCost, other: CompiledCost) -> CompiledCost:
    return CompiledCost(
        **{
            each.name: (min if each.name in _FEWER_ARE_WORSE else max)(
                getattr(one, each.name), getattr(other, each.name)
            )
            for each in fields(CompiledCost)
        }
    )


def read_budget(path: Path) -> Costs:
    """Read a file of budgets.

    Raises
    ------
    InputError
        The file is missing or is not a budget file.
    """
    return {
        Key(*(getattr(entry, name) for name in Key._fields)): CompiledCost(
            **{name: getattr(entry, name) for name in _FIGURES}
        )
        for entry in _read(path)["kernels"]
    }


def other_tools(path: Path, versions: Mapping[str, str]) -> str:
    """Return the tools that made a readable budget where they differ from ``versions``: they may explain a change."""
    noted = _read(path)["tools"]
    others = [
        f"{name} {noted.get(name)} then, {version} now"
        for name, version in versions.items()
        if noted.get(name) != version
    ]
    return f" (made with other tools: {'; '.join(others)})" if others else ""


def _read(path: Path) -> _BudgetFile:
    if not path.exists():
        raise InputError(f"{path}: does not exist; {UPDATE} creates it")
    return read_document(path, _BudgetFile, f"{UPDATE} creates one", fault="is not a budget file")


def write_budget(path: Path, found: Costs, versions: Mapping[str, str]) -> None:
    """Write ``found`` to a budget file, replacing its entries of the same implementations.

    Other implementations, precisions and compute capabilities are kept. The tools' ``versions`` are recorded.
    """
    kept = read_budget(path) if path.exists() else {}
    merged = {key: cost for key, cost in kept.items() if not _is_covered(key, found)} | found
    lines = [json.dumps(key._asdict() | asdict(merged[key])) for key in sorted(merged)]
    text = f'{{"schema": 1, "tools": {json.dumps(dict(versions))}, "kernels": [\n' + ",\n".join(lines) + "\n]}\n"
    with atomic_path(path) as target:
        target.write_text(text, encoding="utf-8")


def faults(found: Costs, budget: Costs) -> list[str]:
    """Return one line per fault: a figure over budget, a kernel without a budget, a budget whose kernel is not launched."""
    lines = []
    for key, cost in found.items():
        if key not in budget:
            lines.append(f"{key}: has no budget; {UPDATE} adds it")
            continue
        lines += [
            f"{key}: {own} {_NAMES[name]}, budget {most}" for name, (own, most) in cost.beyond(budget[key]).items()
        ]
    gone = [key for key in budget if _is_covered(key, found) and key not in found]
    return lines + [f"{key}: has a budget, but is no longer launched; {UPDATE} removes it" for key in gone]


def _is_covered(key: Key, found: Costs) -> bool:
    """Return whether the kernels of the same implementation, precision and compute capability were inspected."""
    return any(
        (key.implementation, key.dtype, key.compute_capability) == (each.implementation, each.dtype, each[3])
        for each in found
    )


_NAMES = {
    "registers": "registers",
    "spilled_bytes": "bytes spilled",
    "local_bytes": "bytes of local memory",
    "shared_bytes": "bytes of shared memory",
    "float64_instructions": "float64 instructions",
    "load_bits": "bits in its widest global load",
    "multiply_add_percent": "% multiply-adds in the loop that has the most",
}

COLUMNS = (
    "implementation",
    "kernel",
    "dtype",
    "cc",
    "registers",
    "spilled",
    "local",
    "shared",
    "float64",
    "load bits",
    "fma %",
    "",
)


def rows(found: Costs, budget: Costs) -> list[Sequence[Any]]:
    """Return the rows of a table with ``COLUMNS``: each kernel's figures, with the budget in brackets where exceeded."""
    table: list[Sequence[Any]] = []
    for key, cost in found.items():
        beyond = cost.beyond(budget[key]) if key in budget else {}
        cells = [
            f"{number} (budget {beyond[name][1]})" if name in beyond else str(number)
            for name, number in asdict(cost).items()
        ]
        table.append((*key, *cells, "over" if beyond else "" if key in budget else "new"))
    return table
