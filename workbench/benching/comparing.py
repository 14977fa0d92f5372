"""Comparison of a run with an earlier one on the same machine."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from workbench.benching.rows import finite
from workbench.system.errors import InputError
from workbench.timing.statistics import LEAST_NOISE, Interval, verdict

FINGERPRINT = ("cpu", "cores", "target", "threads", "gpu")
"""The properties of the machine that two runs must share to be comparable."""

KEY = ("op", "case", "device", "dtype", "implementation")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A row compared with the same row of the earlier run; ``ratio`` is the new time divided by the old one."""

    op: str
    case: str
    device: str
    dtype: str
    implementation: str
    ratio: float
    low: float
    high: float
    noise: float
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        return finite(asdict(self))


def read_old(path: Path) -> dict[str, Any]:
    """Read an earlier report.

    Raises
    ------
    InputError
        The file is not a report.
    """
    try:
        document = json.loads(path.read_text())
        known = (
            document["schema"] == 1 and isinstance(document["peaks"], dict) and isinstance(document["machine"], dict)
        )
        known = known and all(set(KEY) <= set(row) for row in document["rows"])
    except OSError as error:
        raise InputError(f"--compare {path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise InputError(f"--compare {path}: is not a report; name a file that workbench bench --json wrote")
    return dict(document)


def check_machine(old: Mapping[str, Any], machine: Mapping[str, Any]) -> None:
    """Refuse to compare runs of different machines.

    Raises
    ------
    InputError
        A property of the machine differs; the message names it.
    """
    for name in FINGERPRINT:
        if old["machine"].get(name) != machine.get(name):
            raise InputError(
                f"--compare: the report is of another machine: {name} was {old['machine'].get(name)}, here it is "
                f"{machine.get(name)}; compare runs of one machine"
            )


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Comparison]:
    """Compare the rows that both runs timed.

    Differences within the noise of both runs' A/A controls, or within the change of the machine's measured limits between
    the runs, do not count.
    """
    before = {_key(row): row for row in old["rows"] if row.get("median_ms")}
    found = []
    for row in new["rows"]:
        earlier = before.get(_key(row))
        if earlier is None or not row.get("median_ms"):
            continue
        ratio = Interval(
            estimate=row["median_ms"] / earlier["median_ms"],
            low=_or(row.get("ci_low_ms"), 0.0) / _or(earlier.get("ci_high_ms"), float("inf")),
            high=_or(row.get("ci_high_ms"), float("inf")) / _or(earlier.get("ci_low_ms"), 1e-9),
        )
        noise = max(LEAST_NOISE, _control(old, row), _control(new, row)) + _drift(old, new, row)
        found.append(
            Comparison(
                **{name: row[name] for name in KEY},
                ratio=ratio.estimate,
                low=ratio.low,
                high=ratio.high,
                noise=noise,
                verdict=verdict(ratio, noise).replace("tie", "same"),
            )
        )
    return found


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _control(document: Mapping[str, Any], row: Mapping[str, Any]) -> float:
    """Return the noise floor of a row's case, as a logarithm."""
    return max(
        (
            _or(control["noise"], float("inf"))
            for control in document.get("controls", ())
            if all(control[name] == row[name] for name in ("op", "case", "dtype"))
        ),
        default=0.0,
    )


def _drift(old: Mapping[str, Any], new: Mapping[str, Any], row: Mapping[str, Any]) -> float:
    """Return by how much the limit that binds a row moved between the runs, as a logarithm."""
    first, second = (document["peaks"].get(row["device"]) for document in (old, new))
    if not first or not second or set(first) != set(second):
        return 0.0
    if row["bound_by"] == "compute":
        return abs(log(first["gflops"][row["dtype"]] / second["gflops"][row["dtype"]]))
    if row["bound_by"] == "memory":
        return float(np.median([abs(log(first["gbps"][level] / second["gbps"][level])) for level in first["gbps"]]))
    return abs(log(first["launch_ms"] / second["launch_ms"])) if row["bound_by"] == "launch" else 0.0
