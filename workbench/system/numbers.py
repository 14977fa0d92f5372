"""Numbers formatted for readers: a few significant digits, a suitable unit."""

from datetime import datetime, timedelta

ABSENT = "–"  # noqa: RUF001 - a dash as wide as a digit


def significant(value: float, digits: int = 3) -> str:
    """Return a number with ``digits`` significant digits, without an exponent, with commas between thousands."""
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0:
        return "0"
    magnitude = int(f"{abs(rounded):e}".partition("e")[2])
    return f"{rounded:,.{max(0, digits - 1 - magnitude)}f}"


def duration(milliseconds: float | None, digits: int = 3) -> str:
    """Return a time in the unit that gives one to three digits before the point: ns, µs, ms or s."""
    if milliseconds is None:
        return ABSENT
    if milliseconds == 0:
        return "0"
    scaled = {"s": milliseconds / 1e3, "ms": milliseconds, "µs": milliseconds * 1e3, "ns": milliseconds * 1e6}
    unit = next((unit for unit, value in scaled.items() if abs(float(f"{value:.{digits - 1}e}")) >= 1), "ns")
    return f"{significant(scaled[unit], digits)} {unit}"


def rate(value: float | None) -> str:
    """Return a rate, GFLOP/s or GB/s, without its unit."""
    return ABSENT if value is None else significant(value)


def percent(share: float | None) -> str:
    """Return a share 0..1 in percent: two significant digits below ten, whole numbers above."""
    if share is None:
        return ABSENT
    return f"{share:.0%}" if share >= 0.0995 else f"{significant(share * 100, 2)}%"


def shortest(share: float) -> str:
    """Return a share in percent with all its digits and no more, such as a confidence level."""
    return f"{share * 100:g}%"


def ratio(value: float | None) -> str:
    """Return a ratio of times: with three decimals near 1, where small differences matter."""
    if value is None:
        return ABSENT
    return f"{value:.3f}" if 0.1 <= value < 10 else significant(value)


def size(count: int) -> str:
    """Return a size in bytes in binary units."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.4g} {unit}"


def moment(text: str) -> str:
    """Return an ISO 8601 date and time in readable form; other text is returned unchanged."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = when.strftime(" %z") if when.utcoffset() not in (None, timedelta(0)) else " UTC" if when.tzinfo else ""
    return f"{when.day} {when:%B %Y, %H:%M}{zone}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"
