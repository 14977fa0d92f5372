"""Tables that can be sorted by every column, by click and by keyboard, in a box that scrolls if they are wide."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.report.markup import Content, Markup, element

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : its heading
    value : row -> the sort key, a number or text; None comes last in either order
    show : row -> the content of the cell
    numeric : whether it is aligned to the right, with digits of equal width; otherwise text
    sticky : whether it stays in view when the table scrolls sideways
    tip : a longer explanation of the heading
    """

    title: str
    value: Callable[[Row], float | str | None]
    show: Callable[[Row], Content]
    numeric: bool = True
    sticky: bool = False
    tip: str | None = None


def table(caption: str, columns: Sequence[Column], rows: Sequence[Row]) -> Markup:
    """Return a table, without the columns that have no value in any row."""
    used = [column for column in columns if any(column.value(row) is not None for row in rows)]
    head = element("thead", element("tr", *(_heading(column) for column in used)))
    body = element("tbody", *(element("tr", *_cells(used, row)) for row in rows))
    name = element("caption", caption, class_="unseen")
    return element(
        "div",
        element("table", name, head, body, class_="sorts"),
        class_="scroll",
        role="region",
        aria_label=caption,
        tabindex="0",
    )


def _heading(column: Column) -> Markup:
    arrow = element("span", class_="arrow", aria_hidden="true")
    button = element("button", column.title, arrow, type="button", title=column.tip)
    kind = "number" if column.numeric else "text"
    return element("th", button, scope="col", class_=_classes(column), data_kind=kind)


def _cells(columns: Sequence[Column], row: Row) -> list[Markup]:
    cells = []
    for index, column in enumerate(columns):
        value = column.value(row)
        tag, scope = ("th", "row") if index == 0 else ("td", None)
        shown = column.show(row)
        cells.append(element(tag, shown, scope=scope, class_=_classes(column), data_value=_sortable(value)))
    return cells


def _sortable(value: float | str | None) -> str | None:
    return value if value is None or isinstance(value, str) else repr(float(value))


def _classes(column: Column) -> str | None:
    names = [name for name, holds in (("number", column.numeric), ("sticky", column.sticky)) if holds]
    return " ".join(names) or None
