"""The measurements of the machine itself: its limits, the roofline with the rows, its noise."""

from collections.abc import Sequence
from math import inf
from typing import Any

from workbench.report.drawing import to_svg
from workbench.report.markup import Markup, element, join
from workbench.report.roofline_layout import lay_out, points_of
from workbench.report.sortable_table import Row
from workbench.system.numbers import ABSENT, duration, percent, plural, rate, ratio, shortest, size

WIDE, NARROW = (1040.0, 520.0), (350.0, 400.0)
"""Width and height of the two drawings of a roofline; the page shows the one that fits."""


def limits(peaks: dict[str, Any], rows: Sequence[Row]) -> Markup:
    """Return the limits and the roofline of every device."""
    if not peaks:
        return element("p", "The limits of this machine were not measured.")
    return join(*(_device(device, limit, rows) for device, limit in peaks.items() if limit))


def _device(device: str, peaks: dict[str, Any], rows: Sequence[Row]) -> Markup:
    points = points_of(row for row in rows if row["device"] == device)
    pictures = [
        element("div", to_svg(lay_out(peaks, points, width=width, height=height, title="")), class_=f"roofline {fit}")
        for fit, (width, height) in (("wide", WIDE), ("narrow", NARROW))
    ]
    caption = (
        "Arithmetic per byte of minimum memory traffic, against the rate reached. No kernel can exceed the roof of the "
        "memory level that holds its data, nor that of its precision. The fastest of a case is named where there is room."
    )
    below = element("figcaption", element("p", caption), _table(device, peaks))
    return join(element("h3", device), element("figure", *pictures, below, class_="limits"))


def _table(device: str, peaks: dict[str, Any]) -> Markup:
    """Return the table of limits for all threads and, if measured, for one core."""
    one_core = any(peaks.get(f"{name}_one_core") for name in ("gflops", "gbps"))
    lines = []
    for dtype, limit in (peaks.get("gflops") or {}).items():
        alone = (peaks.get("gflops_one_core") or {}).get(dtype)
        lines.append((dtype, f"{rate(limit)} GFLOP/s", f"{rate(alone)} GFLOP/s" if alone else ABSENT))
    for level, limit in (peaks.get("gbps") or {}).items():
        alone = (peaks.get("gbps_one_core") or {}).get(level)
        held = (peaks.get("level_bytes") or {}).get(level)
        name = f"{level}, {size(held)}" if held else level
        lines.append((name, f"{rate(limit)} GB/s", f"{rate(alone)} GB/s" if alone else ABSENT))
    if peaks.get("launch_ms") is not None:
        lines.append(("launch", duration(peaks["launch_ms"]), ABSENT))
    together = plural(peaks["threads"], "thread") if peaks.get("threads") else "Measured"
    titles = ["Limit", together, *(["One core"] if one_core else [])]
    head = element("tr", *(element("th", title, scope="col", class_=_side(i)) for i, title in enumerate(titles)))
    body = [
        element(
            "tr",
            element("th", line[0], scope="row"),
            *(element("td", cell, class_=_side(i)) for i, cell in enumerate(line[1 : len(titles)], 1)),
        )
        for line in lines
    ]
    caption = f"Measured limits of {device}"
    whole = element(
        "table", element("caption", caption, class_="unseen"), element("thead", head), element("tbody", *body)
    )
    return element("div", whole, class_="scroll fitted", role="region", aria_label=caption, tabindex="0")


def _side(column: int) -> str | None:
    return "number" if column else None


def noise(controls: Sequence[dict[str, Any]], confidence: float) -> Markup:
    """Return the result of timing a kernel against itself: smaller differences mean nothing."""
    if not controls:
        return element("p", "No kernel was timed against itself in this run, so its noise floor is not known.")
    worst = max(controls, key=lambda control: inf if control.get("noise") is None else control["noise"])
    is_known = worst.get("noise") is not None
    floor = element("strong", f"Noise floor {percent(worst['noise']) if is_known else 'unknown'}.")
    meaning = (
        "Smaller differences are not counted as differences." if is_known else "Nothing is concluded from this case."
    )
    interval = f"{shortest(confidence)} interval {ratio(worst.get('low'))} to {ratio(worst.get('high'))}"
    text = (
        f" {worst['implementation']} on {worst['op']} {worst['case']}, timed against itself, took "
        f"{ratio(worst.get('ratio'))} times as long ({interval}). {meaning}"
    )
    several = None
    if len(controls) > 1:
        others = (
            element(
                "li",
                f"{control['op']} {control['case']}: {ratio(control.get('ratio'))} "
                f"({ratio(control.get('low'))} to {ratio(control.get('high'))}), noise {percent(control.get('noise'))}",
            )
            for control in controls
        )
        summary = element("summary", f"The worst of {len(controls)} such controls")
        several = element("details", summary, element("ul", *others))
    return join(element("p", floor, text), several)
