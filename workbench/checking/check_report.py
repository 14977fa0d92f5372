"""The report of a check as text: the same on the command line and in a failing test."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.sampling import FAMILIES, Case
from workbench.system.errors import InputError
from workbench.system.terminal import one_line
from workbench.target.command_device import DEVICES

Row = dict[str, Any]
"""A result as a JSON object, see ``CheckResult.to_json``."""

FEW = 24
"""The most elements that the inputs of a case may have to be shown."""

COLUMNS = ("operation", "implementation", "device", "dtype", "status", "examples", "error / bound")

WIDTH = 80
"""The width that tables keep to where they can: a column that says nothing new is left out of a wider one."""


def table(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the columns and lines of a table with a line per result, except skipped ones."""
    lines = [
        (
            row["op"],
            row["implementation"],
            row["device"],
            row["dtype"],
            row["status"],
            row["examples"],
            share(row["worst_share_of_bound"]),
        )
        for row in rows
        if row["status"] != "skipped"
    ]
    return _fitting(COLUMNS, lines)


def matrix(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the columns and lines of a table of kernels by devices: status, and worst error as a share of its bound."""
    devices = [device for device in DEVICES if any(row["device"] == device for row in rows)]
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        name = row["implementation"].removesuffix("_cpu").removesuffix("_cuda")
        key = (row["op"], name, row["dtype"])
        worst = "" if row["status"] == "skipped" else f" {share(row['worst_share_of_bound'])}"
        cells.setdefault(key, {})[row["device"]] = f"{row['status']}{worst}"
    lines = [(*key, *(found.get(device, "-") for device in devices)) for key, found in cells.items()]
    return _fitting(("operation", "kernel", "dtype", *devices), lines)


def _fitting(columns: tuple[str, ...], lines: list[tuple[Any, ...]]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Leave out columns of a table that is too wide: the only device, operations that the names of kernels begin with."""
    for column in ("device", "operation"):
        widths = [max(len(str(cell)) for cell in cells) for cells in zip(columns, *lines, strict=True)]
        if column not in columns or sum(widths) + 2 * (len(widths) - 1) <= WIDTH:
            continue
        place = columns.index(column)
        if column == "operation":
            told = all(str(line[place + 1]).startswith(str(line[place])) for line in lines)
        else:
            told = len({line[place] for line in lines}) == 1
        if told:
            columns = columns[:place] + columns[place + 1 :]
            lines = [line[:place] + line[place + 1 :] for line in lines]
    return columns, lines


def divergences(rows: Sequence[Row]) -> list[str]:
    """Name the kernels that pass on one device and fail on its twin."""
    pairs = (
        ("python", "cpu", "right in Python, wrong compiled", "wrong in Python, right compiled"),
        ("sim", "cuda", "right in the simulator, wrong on the GPU", "wrong in the simulator, right on the GPU"),
    )
    status = {(row["op"], row["implementation"], row["dtype"], row["device"]): row["status"] for row in rows}
    found = []
    for op, name, dtype in dict.fromkeys(key[:3] for key in status):
        for model, machine, worse, better in pairs:
            there = tuple(status.get((op, name, dtype, device)) for device in (model, machine))
            right = tuple(each in ("pass", "warn") for each in there)
            if "fail" in there and any(right):
                found.append(f"{name}, {dtype}: {worse if right[0] else better}")
    return found


def one_precision(rows: Sequence[Row]) -> list[str]:
    """Name the kernels that fail in one precision only."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in rows:
        if row["implementation"] != "declaration":
            found.setdefault((row["op"], row["implementation"], row["device"]), {})[row["dtype"]] = row["status"]
    lines = []
    for (_, name, device), status in found.items():
        wrong = [dtype for dtype, each in status.items() if each == "fail"]
        right = [dtype for dtype, each in status.items() if each in ("pass", "warn")]
        if wrong and right:
            lines.append(f"{name} on {device}: wrong only in {', '.join(wrong)}, right in {', '.join(right)}")
    return lines


def families(rows: Sequence[Row]) -> list[str]:
    """Return a line for every family of values: the number of examples, what it detects and what it misses."""
    lines = []
    for name, family in FAMILIES.items():
        seen = [row["families"][name] for row in rows if name in row["families"] and row["status"] != "fail"]
        if seen:
            count = sum(each["examples"] for each in seen)
            lines.append(f"  {name:<10} {count:>6,}  {family.shows}; blind to {family.misses}")
    return ["values     examples  what they show", *lines] if lines else []


def notes(rows: Sequence[Row]) -> list[str]:
    """Return what was not judged, kernel by kernel; a note that holds for several dtypes or devices appears once."""
    told: dict[str, list[str]] = {}
    for row in rows:
        for note in row["notes"]:
            told.setdefault(f"{row['implementation']}: {note}", []).append(row["dtype"])
    return list(told)


def failure(row: Row, replay: str) -> str:
    """Return the report of a failure: the reason, the smallest case, where the errors lie, and how to run it again.

    Parameters
    ----------
    row : a result that failed
    replay : the command that runs the case again, with {} or {!r} in place of the token
    """
    found: dict[str, Any] | None = row["counterexample"]
    title = one_line(f"{row['implementation']} on {row['device']}, {row['dtype']}: {row['reason']}")
    if found is None:
        return title
    shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in found["shapes"].items())
    options = ", ".join(f"{name}={value}" for name, value in found["options"].items()) or "none"
    layout = "" if found["layout"] == "contiguous" else f"; inputs {found['layout']} in memory"
    lines = [
        title,
        *(f"    {one_line(line)}" for line in found["details"].splitlines()),
        f"  the smallest failing case found, after {row['examples']} example{'' if row['examples'] == 1 else 's'}:",
        f"  shapes    {shapes}",
        f"  options   {options}",
        f"  values    {found['family']}{layout}",
        *(f"    {line}" for line in found.get("values", values(found["replay"]))),
    ]
    if found["index"] is not None:
        lines.append(f"  got       {found['got']}, expected {found['expected']}, bound {found['bound']}")
    if found["where"]:
        lines.append(f"  errors    {found['where']}")
    if found["reach"]:
        lines.append(f"  reach     {found['reach']}")
    lines.append(f"  replay    {one_line(replay.format(found['replay']))}")
    return "\n".join(lines)


def values(token: str) -> list[str]:
    """Return the inputs of a small case, a line each; nothing if its operation is not loaded in this process."""
    try:
        case = Case.from_token(token)
    except InputError:
        return []
    if sum(map(prod, case.shapes.values())) > FEW:
        return []
    return [
        f"{name} = {np.array2string(array, separator=', ', precision=8, max_line_width=10_000).replace(chr(10), ' ')}"
        for name, array in case.arrays().items()
    ]


def passed_in_part(rows: Sequence[Row]) -> list[Row]:
    """Return the results that passed without being judged on everything; their reason says on what."""
    return [row for row in rows if row["status"] == "pass" and row["reason"]]


def counts(rows: Sequence[Row]) -> str:
    """Count the results by status."""
    found = {status: sum(row["status"] == status for row in rows) for status in ("pass", "warn", "fail", "skipped")}
    partly = len(passed_in_part(rows))
    found = {"pass": found.pop("pass") - partly, "pass with NaN and infinities not judged": partly, **found}
    return ", ".join(f"{count} {status}" for status, count in found.items() if count) or "nothing to check"


def share(value: float | str | None) -> str:
    """Return a share of the bound in a few characters."""
    if value is None or isinstance(value, str):
        return value or "-"
    return "exact" if value == 0 else f"{value:.3f}" if value < 100 else f"{value:.2g}"
