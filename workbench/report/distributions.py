"""The distributions of the samples: a strip of dots per row, time from left to right, measurement order from top to bottom.

All rows of a case share a logarithmic scale, so that equal widths are equal percentages. The scale spans the bulk of the
samples, and at least 20 % so that the jitter of a quiet row does not look wild; dots beyond it are drawn at its right edge.
"""

from collections.abc import Sequence
from math import ceil, floor, log10

from workbench.report.markup import Markup, element, join
from workbench.report.scale import Scale
from workbench.report.sortable_table import Row
from workbench.system.numbers import duration, plural

LEAST_SPAN = 1.2
BULK = 0.97
"""The share of a row's samples that the scale covers; the rest are outliers."""
MARGIN = 0.08
"""The share of the scale that is left free at each end."""
STRIP, INSET = 40, 5
"""Height of a strip, and the free space above and below its dots, in pixels."""
EDGE = 0.99
"""The position of dots beyond the scale."""
TICK_GAP = 0.16
"""The minimum share of the scale between two ticks, so that their labels fit on a phone."""
UNITS = 1000
"""Width of a strip in the units of its dots."""


def _ticks(scale: Scale) -> list[float]:
    """Return round times on a scale; on a wide scale, multiples of powers of ten."""
    if scale.high / scale.low > 3:
        span = scale.high / scale.low
        factors = (1, 2, 3, 5, 7) if span < 12 else (1, 2, 5) if span < 100 else (1,)
        powers = range(floor(log10(scale.low)), ceil(log10(scale.high)) + 1)
        values = [float(f"{factor}e{power}") for power in powers for factor in factors]
        return [value for value in values if scale.low <= value <= scale.high]
    power = floor(log10(scale.high))
    steps = (float(f"{factor}e{power - down}") for down in (3, 2, 1, 0) for factor in (1, 2, 5))
    step = next(step for step in steps if 1 - scale(scale.high - step) >= TICK_GAP)
    return [step * count for count in range(ceil(scale.low / step), int(scale.high / step) + 1)]


def distributions(rows: Sequence[Row]) -> Markup | None:
    """Draw the strips of all rows of an operation that have samples, case by case."""
    cases = dict.fromkeys((row["case"], row["device"], row["dtype"]) for row in rows)
    figures = [
        _figure(" ".join(dict.fromkeys(_differing(case, cases))), here)
        for case in cases
        if (here := [row for row in rows if (row["case"], row["device"], row["dtype"]) == case and _samples(row)])
    ]
    if not figures:
        return None
    summary = element("summary", "Distributions")
    return element("details", summary, element("div", *figures, class_="strips"), open=True)


def _differing(case: tuple[str, str, str], cases: dict[tuple[str, str, str], None]) -> list[str]:
    """Return the name of a case, with its device and precision if they differ between cases."""
    return [name for axis, name in enumerate(case) if axis == 0 or len({other[axis] for other in cases}) > 1]


def _figure(name: str, rows: Sequence[Row]) -> Markup:
    scale = _scale([_samples(row) for row in rows])
    strips = [join(_legend(row, scale), _strip(row, scale)) for row in rows]
    return element("figure", element("figcaption", name), *strips, _axis(scale))


def _legend(row: Row, scale: Scale) -> Markup:
    facts = []
    if row.get("p20_ms") is not None and row.get("p80_ms") is not None:
        facts.append(f"p20 to p80 {duration(row['p20_ms'])} to {duration(row['p80_ms'])}")
    if row.get("min_ms") is not None:
        facts.append(f"least {duration(row['min_ms'])}")
    if row.get("repeats"):
        facts.append(plural(row["repeats"], "repeat") + (", budget spent" if row.get("stopped") == "budget" else ""))
    beyond = sum(sample > scale.high for sample in _samples(row))
    if beyond:
        facts.append(f"{beyond} beyond the scale")
    return element("p", element("span", row["implementation"], class_="name"), " ", element("small", "; ".join(facts)))


def _strip(row: Row, scale: Scale) -> Markup:
    samples = _samples(row)
    tall = (STRIP - 2 * INSET) / max(1, len(samples) - 1)
    shares = (min(EDGE, scale(sample)) for sample in samples)
    dots = "".join(f"M{UNITS * share:.0f} {INSET + place * tall:.1f}h0" for place, share in enumerate(shares))
    words = f"{plural(len(samples), 'sample')} from {duration(min(samples))} to {duration(max(samples))}"
    inner = element("path", d=dots, class_="dots")
    field = element(
        "svg", inner, viewBox=f"0 0 {UNITS} {STRIP}", preserveAspectRatio="none", width="100%", height=STRIP
    )
    parts = (element("title", words), _interval(row, scale), field, _median(row, scale))
    return element("svg", *parts, class_="strip", height=STRIP, role="img", aria_label=words)


def _interval(row: Row, scale: Scale) -> Markup | None:
    """Draw the confidence interval of the median as a band."""
    if row.get("ci_low_ms") is None or row.get("ci_high_ms") is None:
        return None
    left, right = (min(1.0, max(0.0, scale(row[key]))) for key in ("ci_low_ms", "ci_high_ms"))
    return element("rect", x=f"{left:.2%}", width=f"{right - left:.2%}", y=0, height=STRIP, class_="interval")


def _median(row: Row, scale: Scale) -> Markup | None:
    if row.get("median_ms") is None:
        return None
    at = f"{min(1.0, max(0.0, scale(row['median_ms']))):.2%}"
    return element("line", x1=at, x2=at, y1=0, y2=STRIP, class_="median")


def _axis(scale: Scale) -> Markup:
    parts: list[Markup] = []
    edge = 0.4 * TICK_GAP  # about half a label
    free = edge
    for tick in _ticks(scale):
        share = scale(tick)
        if not free <= share <= 1 - edge:
            continue
        free = share + TICK_GAP
        parts.append(element("line", x1=f"{share:.2%}", x2=f"{share:.2%}", y1=0, y2=5, class_="tick"))
        parts.append(element("text", duration(tick), x=f"{share:.2%}", y=18, text_anchor="middle"))
    return element("svg", *parts, class_="axis", height=22, aria_hidden="true")


def _scale(rows: Sequence[Sequence[float]]) -> Scale:
    low = min(min(samples) for samples in rows)
    high = max(sorted(samples)[int(BULK * (len(samples) - 1))] for samples in rows)
    widen = max((high / low) ** MARGIN, (LEAST_SPAN * low / high) ** 0.5, 1.01)
    return Scale(low=low / widen, high=high * widen, start=0, end=1)


def _samples(row: Row) -> list[float]:
    return [sample for sample in row.get("samples_ms") or () if sample > 0]
