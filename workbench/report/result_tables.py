"""The tables of the report: results by operation, the parts of the cost, a comparison with an earlier run."""

from collections.abc import Callable, Sequence
from typing import Any

from workbench.benching.rows import NOT_TIMED
from workbench.report.markup import Content, Markup, element, join
from workbench.report.sortable_table import Column, Row, table
from workbench.report.verdicts import tag
from workbench.system.numbers import ABSENT, duration, percent, plural, rate, ratio, shortest

COSTS = ("compile_ms", "cache_load_ms", "dispatch_us", "copy_in_ms", "copy_out_ms")
"""The costs in a row other than that of the kernel."""


def results(op: str, rows: Sequence[Row], confidence: float) -> Markup:
    """Return the table of an operation: times, rates, the share of the limit, the ratio to the baseline."""
    columns = [*_names(rows), *_times(confidence), *_rates(), *_ratios(confidence)]
    return table(f"Results of {op}", columns, rows)


def costs(rows: Sequence[Row]) -> Markup:
    """Return the table of the costs of a call besides the kernel itself."""
    columns = [
        _text("Operation", "op"),
        *_names(rows),
        Column(
            title="Compile",
            value=_of("compile_ms"),
            show=lambda row: "cached" if row.get("compile_ms") == 0 else duration(row.get("compile_ms")),
            tip="compilation for these types in this run; cached: the machine code was already there",
        ),
        _time("Load from cache", "cache_load_ms", "loading the compiled code from the disk cache"),
        Column(
            title="Dispatch",
            value=_of("dispatch_us"),
            show=lambda row: duration(None if row.get("dispatch_us") is None else row["dispatch_us"] / 1e3),
            tip="from the call in Python to the start of the compiled code, for every call",
        ),
        _time("Copy in", "copy_in_ms", "host to device"),
        _time("Kernel", "median_ms", "the median of the results above"),
        _time("Copy out", "copy_out_ms", "device to host"),
    ]
    return table("What a call costs", columns, [row for row in rows if any(row.get(key) is not None for key in COSTS)])


def comparison(rows: Sequence[Row], confidence: float) -> Markup:
    """Return the table that compares this run with an earlier one."""
    columns = [
        _text("Operation", "op"),
        *_names(rows),
        _ratio("New ÷ old time", "ratio", "low", "high", confidence),
        Column(title="Verdict", value=_of("verdict"), show=_verdict, numeric=False),
    ]
    return table("Compared with the earlier run", columns, rows)


def _names(rows: Sequence[Row]) -> list[Column]:
    """Return the columns for case and implementation, and for device and precision if they differ; one is sticky."""
    several = len({row["implementation"] for row in rows}) > 1
    return [
        _text("Case", "case", sticky=not several),
        Column(
            title="Implementation", value=_of("implementation"), show=_implementation, numeric=False, sticky=several
        ),
        *(
            _text(title, key)
            for title, key in (("Device", "device"), ("Type", "dtype"))
            if len({row[key] for row in rows}) > 1
        ),
    ]


def _times(confidence: float) -> list[Column]:
    return [
        Column(title="Median", value=_of("median_ms"), show=lambda row: duration(row.get("median_ms"), 4)),
        Column(
            title=f"± at {shortest(confidence)}",
            value=_of("ci_share"),
            show=lambda row: percent(row.get("ci_share")),
            tip=f"{shortest(confidence)} confidence interval of the median: its larger side, as a share of the median",
        ),
        _time("Cold", "cold_ms", "with the caches flushed before each call"),
    ]


def _rates() -> list[Column]:
    return [
        Column(title="GFLOP/s", value=_of("gflops"), show=lambda row: rate(row.get("gflops"))),
        Column(
            title="GB/s", value=_of("gbps"), show=lambda row: rate(row.get("gbps")), tip="of the bytes that must move"
        ),
        Column(
            title="Of the limit",
            value=_of("share_of_peak"),
            show=_share,
            tip="the least time that the measured limits allow, divided by the median; and the limit that binds",
        ),
    ]


def _ratios(confidence: float) -> list[Column]:
    return [
        _ratio("÷ baseline", "ratio", "ratio_low", "ratio_high", confidence),
        Column(title="Verdict", value=_of("verdict"), show=_verdict, numeric=False),
    ]


def _of(key: str) -> Callable[[Row], Any]:
    return lambda row: row.get(key)


def _text(title: str, key: str, *, sticky: bool = False) -> Column:
    return Column(title=title, value=_of(key), show=_of(key), numeric=False, sticky=sticky)


def _time(title: str, key: str, tip: str) -> Column:
    return Column(title=title, value=_of(key), show=lambda row: duration(row.get(key)), tip=tip)


def _ratio(title: str, key: str, low: str, high: str, confidence: float) -> Column:
    def show(row: Row) -> Content:
        if row.get(key) is None:
            return ABSENT
        if row.get(low) is None or row.get(high) is None:
            return ratio(row[key])
        interval = element("small", f"{ratio(row[low])} to {ratio(row[high])}")
        return join(ratio(row[key]), " ", interval)

    tip = f"ratio of the times and its {shortest(confidence)} confidence interval; below 1 is faster"
    return Column(title=title, value=_of(key), show=show, tip=tip)


def _implementation(row: Row) -> Content:
    version = row.get("version")
    words = row["implementation"].replace("_", "_\0").split("\0")
    name = element("span", join(*words, between="<wbr/>"), class_="name")
    known = element("small", " ", version) if version and version != "-" else None
    return join(name, known, join(" ", tag(row["verdict"])) if row.get("verdict") in NOT_TIMED else None)


def _share(row: Row) -> Content:
    """Return the share with a bar; a share above 1 is invalid, as the measurement of the limit was disturbed."""
    share = row.get("share_of_peak")
    if share is None:
        return ABSENT
    if share > 1:
        return tag("invalid", f"{share:.0%}: above the measured limit")
    bar = element("span", element("span", style=f"width:{share:.1%}"), class_="bar", aria_hidden="true")
    return join(percent(share), " ", element("small", row.get("bound_by") or ""), bar)


def _verdict(row: Row) -> Content:
    verdict = row.get("verdict")
    if verdict is None:
        return ABSENT
    return tag(verdict, row.get("reason") or None)


def not_timed(rows: Sequence[Row]) -> Markup | None:
    """List the implementations that were not timed, and why."""
    found = [row for row in rows if row.get("verdict") in NOT_TIMED]
    if not found:
        return None
    items = (
        element(
            "li",
            tag(row["verdict"]),
            " ",
            element("code", row["implementation"]),
            f" on {row['op']} {row['case']}: {row.get('reason') or '-'}",
        )
        for row in found
    )
    verb = "was" if len(found) == 1 else "were"
    head = element("p", f"{plural(len(found), 'implementation')} {verb} not timed:")
    return element("div", head, element("ul", *items), class_="alarm")
