"""The text output of ``workbench bench``."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from io import StringIO
from typing import Any

from workbench.benching.rows import BenchRow
from workbench.system import render
from workbench.system.terminal import one_line, print_line
from workbench.system.version import VERSION
from workbench.timing.statistics import UNSTEADY

Row = Mapping[str, Any]

COLUMNS = (
    *("operation", "case", "implementation", "dtype", "median", "±", "p20", "p80", "cold", "GFLOP/s", "GB/s"),
    *("of peak", "against the first"),
)
"""Of the table. "±" is the larger side of the interval of the median, as a share of the median."""

_SAID = {
    "wrong": "is wrong on",
    "failed": "fails on",
    "crashed": "crashes on",
    "too slow": "is too slow on",
    "out of memory": "has too little memory on",
}
"""What is said of a contestant that was not timed, before the name of the case."""

UNITS = (("s", 1e-3), ("ms", 1.0), ("µs", 1e3))
"""Units of time, and their number in a millisecond."""


def show(document: Mapping[str, Any]) -> None:
    """Print the limits, rows, errors, the noise floor and the comparison, if there is one."""
    for device, limits in document["peaks"].items():
        print_line(peaks_line(device, limits))
    show_rows(document["rows"])
    for line in inconclusive(document["controls"], document["rows"]):
        print_line(line)
    if document["controls"]:
        print_line(_noise(document["controls"], document["confidence"]))
    for name, reason in document["skipped"].items():
        print_line(f"{name} skipped: {reason}")
    show_predicted(document["predicted"])
    if document["compared"] is not None:
        show_comparison(document["compared"])


def show_predicted(found: Sequence[Row]) -> None:
    """Print the times that were predicted for the GPU at hand beside the measured ones."""
    if found:
        columns = ("operation", "case", "implementation", "dtype", "measured", "predicted", "between", "limited by")
        render.print_table(columns, [_predicted_cells(each) for each in found], right=columns[4:7])


def _predicted_cells(row: Row) -> tuple[str, ...]:
    return (
        *(row[name] for name in ("op", "case", "implementation", "dtype")),
        *(milliseconds(row[name]) for name in ("measured_ms", "predicted_ms")),
        f"{milliseconds(row['least_ms'])} to {milliseconds(row['most_ms'])}",
        row["limited_by"],
    )


def show_rows(rows: list[Row]) -> None:
    """Print a table, the errors, the peers' versions, and the cost of calls apart from the kernel."""
    if rows:
        render.print_table(COLUMNS, cells(rows), right=COLUMNS[4:12])
    for line in filter(None, map(_remark, rows)):
        print_line(line)
    versions = {row["implementation"].split()[0]: row["version"] for row in rows}
    others = [f"{name} {version}" for name, version in versions.items() if version not in ("", VERSION)]
    if others:
        print_line(f"versions: {', '.join(others)}")
    for line in _costs(rows):
        print_line(line)


def csv_text(rows: Sequence[Row]) -> str:
    """Return the rows as CSV with a header: every field of the JSON but the samples; records and lists as JSON."""
    names = [field.name for field in fields(BenchRow) if field.name != "samples_ms"]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_csv_cell(row[name]) for name in names])
    return text.getvalue().rstrip("\n")


def _csv_cell(value: Any) -> Any:
    """Return a cell; a text that a spreadsheet would calculate begins with an apostrophe."""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    if not isinstance(value, str):
        return value
    return f"'{one_line(value)}" if value.startswith(("=", "+", "-", "@")) else one_line(value)


def progress_line(rows: Sequence[Row]) -> str:
    """Return one line on the rows of a case."""
    if not rows:
        return "no contestant"
    times = (
        f"{row['implementation']} {milliseconds(row['median_ms']) if row['verified'] else row['status']}"
        for row in rows
    )
    return f"{rows[0]['op']} {rows[0]['case']} {rows[0]['dtype']}: {', '.join(times)}"


def show_comparison(compared: list[Row]) -> None:
    """Print the comparison of this run's rows with those of the earlier run."""
    columns = ("operation", "case", "implementation", "dtype", "now / then", "between", "verdict")
    cells = [
        (
            *(each[name] for name in ("op", "case", "implementation", "dtype")),
            f"{each['ratio']:.3f}",
            " and ".join("?" if end is None else f"{end:.3f}" for end in (each["low"], each["high"])),
            each["verdict"],
        )
        for each in compared
    ]
    if not cells:
        print_line("compared: the two reports have no row in common")
        return
    render.print_table(columns, cells, right=columns[4:5])
    counts = {
        name: sum(each["verdict"] == name for each in compared) for name in ("slower", "faster", "same", "unsure")
    }
    print_line("compared: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count))


def peaks_line(device: str, limits: Row) -> str:
    """Return the limits of a device in one line."""
    flops = ", ".join(f"{value:,.0f} GFLOP/s {dtype}" for dtype, value in limits["gflops"].items())
    bandwidth = ", ".join(f"{level} {value:,.0f} GB/s" for level, value in limits["gbps"].items())
    threads = f" with {limits['threads']} threads" if limits["threads"] else ""
    return f"limits of the {device}{threads}, measured: {flops}; {bandwidth}"


def milliseconds(value: float | None) -> str:
    """Return a time with its unit, to three digits."""
    if value is None:
        return "-"
    unit, factor = next((each for each in UNITS if value * each[1] >= 0.9995), UNITS[-1])
    return f"{float(f'{value * factor:.3g}'):g} {unit}"


def cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the rows as text, in the order of COLUMNS."""
    firsts: dict[tuple[str, ...], str] = {}
    for row in rows:
        firsts.setdefault(_place(row), row["implementation"])
    return [_cells(row, firsts[_place(row)]) for row in rows]


def _place(row: Row) -> tuple[str, ...]:
    return row["op"], row["case"], row["device"], row["dtype"]


def _cells(row: Row, first: str) -> tuple[str, ...]:
    alone = f" ({', '.join(row['computes'])})" if row["computes"] else ""
    names = (row["op"], row["case"], f"{row['implementation']}{alone}", row["dtype"])
    if not row["verified"]:
        return (*names, row["status"], *[""] * (len(COLUMNS) - 5))
    return (
        *names,
        milliseconds(row["median_ms"]),
        _plus_minus(row),
        milliseconds(row["p20_ms"]),
        milliseconds(row["p80_ms"]),
        milliseconds(row["cold_ms"]),
        _number(row["gflops"]),
        _number(row["gbps"]),
        _peak(row["share_of_peak"], row["bound_by"]),
        _verdict(row, first),
    )


def _remark(row: Row) -> str:
    """Return what there is to say of a row below the table; empty if nothing."""
    name, case = row["implementation"], row["case"]
    if not row["verified"]:
        return f"{name} {_SAID[row['status']]} {case}, not timed: {row['reason']}"
    if (row["ci_share"] or 0.0) > UNSTEADY:
        return f"{name} on {case}: the times are unsteady ({_plus_minus(row)}), so nothing is concluded from them"
    return ""


def _plus_minus(row: Row) -> str:
    share = row["ci_share"]
    if share is None:
        return "?"
    return f"{share:.1%}" if share <= 1 else ">100%"


def _number(value: float | None) -> str:
    return "-" if not value else f"{value:.3g}"


def _peak(share: float | None, bound_by: str) -> str:
    """Return the share of the binding limit; if it is above 1, the measurement of the limit was disturbed."""
    if share is None:
        return "-"
    return f"{share:.1%} {bound_by}" if share <= 1 else "invalid, above the limit"


def _verdict(row: Row, first: str) -> str:
    if row["verdict"] is None:
        return ""
    against = "" if row["baseline"] == first else f", against {row['baseline']}"
    return f"{_ratio(row)}{against}"


def _ratio(row: Row) -> str:
    ratio = row["ratio"]
    if row["verdict"] in ("faster", "slower"):
        factor = ratio if ratio >= 1 else 1 / ratio
        return f"{factor:.2f}x {row['verdict']}"
    spread = (
        ""
        if row["ratio_low"] is None or row["ratio_high"] is None
        else f" ({row['ratio_low']:.2f}-{row['ratio_high']:.2f}x)"
    )
    return f"{row['verdict']}{spread}"


def _costs(rows: list[Row]) -> list[str]:
    """Return a line for each operation: the costs of a first call, and of a call apart from the kernel."""
    lines = []
    for op in dict.fromkeys(row["op"] for row in rows):
        mine = [row for row in rows if row["op"] == op and row["verified"]]
        parts = []
        for label, name, in_ms in (
            ("compiling", "compile_ms", 1.0),
            ("loading from the cache", "cache_load_ms", 1.0),
            ("launch", "launch_us", 1e-3),
            ("dispatch", "dispatch_us", 1e-3),
            ("copying in", "copy_in_ms", 1.0),
            ("copying out", "copy_out_ms", 1.0),
        ):
            values = [
                row[name] * in_ms
                for row in mine
                if row[name] and not (name == "cache_load_ms" and row["dispatch_us"] is None)
            ]
            if values:
                parts.append(f"{label} {_range(values)}")
        if parts:
            lines.append(f"{op} besides the kernel: {', '.join(parts)}")
    return lines


def _range(values: list[float]) -> str:
    low, high = milliseconds(min(values)), milliseconds(max(values))
    return low if low == high else f"{low} to {high}"


def inconclusive(controls: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Return a line for every case with comparisons whose control has no noise floor."""
    names = ("op", "case", "dtype")
    compared = {tuple(row[name] for name in names) for row in rows if row["ratio"] is not None}
    return [
        _without_floor(control)
        for control in controls
        if control["noise"] is None and tuple(control[name] for name in names) in compared
    ]


def _without_floor(control: Row) -> str:
    """Return why the control of a case has no noise floor."""
    place = f"{control['op']} {control['case']} {control['dtype']}"
    if not control["low"]:
        return f"{place}: too few rounds to conclude anything; take a larger --budget"
    return (
        f"{place}: {control['implementation']} took {control['ratio']:.2f} times as long as itself, so nothing is "
        "concluded; repeat it on a quieter machine"
    )


def _noise(controls: list[Row], confidence: float) -> str:
    worst = max(controls, key=lambda control: abs(control["ratio"] - 1))
    differing = sum(control["verdict"] in ("faster", "slower") for control in controls)
    called = "none called a difference" if not differing else f"{differing} called a difference"
    return (
        f"noise: {len(controls)} A/A control{'' if len(controls) == 1 else 's'}, the farthest from equal "
        f"{worst['ratio'] - 1:+.1%} ({worst['case']}), {called}; intervals and verdicts at {confidence:.4g}"
    )
