"""Verdicts on rows, as text and a sign, never by colour alone."""

from collections.abc import Iterable
from typing import Any

from workbench.report.markup import Markup, element

Row = dict[str, Any]

SIGNS = {
    "faster": "▲",
    "slower": "▼",
    "tie": "≈",
    "same": "≈",
    "unsure": "?",
    "wrong": "✗",
    "failed": "✗",
    "crashed": "✗",
    "invalid": "!",
    "baseline": "=",
}
"""The sign before each verdict."""

_TONES = {"faster": "good", "slower": "bad", "wrong": "bad", "failed": "bad", "crashed": "bad", "invalid": "bad"}


def tag(verdict: str, tip: str | None = None) -> Markup:
    """Return a verdict as a small label."""
    sign = element("span", SIGNS.get(verdict, "·"), aria_hidden="true")
    tone = _TONES.get(verdict, "plain")
    return element(
        "span", sign, "\N{NO-BREAK SPACE}", verdict, class_=f"tag {tone} verdict-{verdict.replace(' ', '-')}", title=tip
    )


def with_baselines(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with ``verdict`` the status if not verified, "baseline" if other rows are compared with them."""
    rows = list(rows)
    compared_with = {(*_place(row), row["baseline"]) for row in rows if row.get("baseline")}
    return [row | {"verdict": _verdict(row, compared_with)} for row in rows]


def _verdict(row: Row, compared_with: set[tuple[str, ...]]) -> str | None:
    if not row.get("verified"):
        return row.get("status") or "wrong"
    if (*_place(row), row["implementation"]) in compared_with:
        return "baseline"
    return row.get("verdict")


def _place(row: Row) -> tuple[str, ...]:
    return (row["op"], row["case"], row["device"], row["dtype"])
