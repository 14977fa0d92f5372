"""Comparison of a run with an earlier one on the same machine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np
from msgspec import Meta

from workbench.benching.rows import finite
from workbench.system.documents import read_document
from workbench.system.errors import InputError
from workbench.timing.statistics import LEAST_NOISE, Interval, verdict

FINGERPRINT = ("cpu", "cores", "target", "threads", "gpu")
"""The properties of the machine that two runs must share to be comparable."""

KEY = ("op", "case", "device", "dtype", "implementation")


Milliseconds = Annotated[float, Meta(ge=1e-9, le=1e12)]
Rate = Annotated[float, Meta(ge=1e-9, le=1e12)]


class OldRow(TypedDict):
    """What is compared of a row of an earlier report; see ``rows.BenchRow``."""

    op: str
    case: str
    device: str
    dtype: str
    implementation: str
    median_ms: NotRequired[Milliseconds | None]
    ci_low_ms: NotRequired[Milliseconds | None]
    ci_high_ms: NotRequired[Milliseconds | None]


class OldControl(TypedDict):
    """The noise of a case, as a logarithm; None if it is unknown."""

    op: str
    case: str
    dtype: str
    noise: Annotated[float, Meta(ge=0, le=100)] | None


class OldPeaks(TypedDict):
    """The limits of a device; see ``roofline.Peaks``."""

    gflops: dict[str, Rate]
    gbps: dict[str, Rate]
    launch_ms: Milliseconds


class OldReport(TypedDict):
    """What is compared of an earlier report."""

    schema: Literal[1]
    machine: dict[str, Any]
    peaks: dict[str, OldPeaks]
    rows: list[OldRow]
    controls: NotRequired[list[OldControl]]


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


def read_old(path: Path) -> OldReport:
    """Read an earlier report.

    Raises
    ------
    InputError
        The file is not a report.
    """
    remedy = "name a file that workbench bench --json wrote"
    return read_document(path, OldReport, remedy, name=f"--compare {path}", fault="is not a report")


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
    """Return by how much the limit that binds a row moved between the runs, as a logarithm; 0 if it is unknown."""
    first, second = (_limits(document["peaks"].get(row["device"]), row) for document in (old, new))
    moved = [abs(log(first[name] / second[name])) for name in first.keys() & second.keys()]
    return float(np.median(moved)) if moved else 0.0


def _limits(peaks: Mapping[str, Any] | None, row: Mapping[str, Any]) -> dict[str, float]:
    """Return the limits of a device that bind a row, by name."""
    if not peaks:
        return {}
    if row["bound_by"] == "compute":
        return {name: rate for name, rate in peaks["gflops"].items() if name == row["dtype"]}
    if row["bound_by"] == "memory":
        return dict(peaks["gbps"])
    return {"launch": peaks["launch_ms"]} if row["bound_by"] == "launch" else {}
