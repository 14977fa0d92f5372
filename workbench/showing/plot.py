"""Rows of panels with curves over the epochs, drawn by matplotlib as pixels of a sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from workbench.pictures.style import FAINT, HAIRLINE, INK, MUTED, SMALL, TEXT, Colour, Pixels

MOST_MARKED = 40
"""Curves of more epochs have no marks."""

LOGARITHMIC = 10.0
"""A scale is logarithmic if the largest value is so many times the least."""

KEY_H = 62
"""The height of a line of the key, in pixels."""

_DOTS = 200
"""Pixels per inch of matplotlib's figure."""

_DIGITS = tuple(digit * 10.0**-place for place in range(9) for digit in (1, 0.5, 0.2))
"""The shares of errors that may be marked on a scale: 1, 0.5, 0.2, 0.1, ..."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve: its name in the key, its points, and how it looks."""

    label: str
    epochs: Sequence[int]
    values: Sequence[float]
    colour: Colour
    mark: str
    dashes: str = "-"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels side by side with the same scales: curves by the title of their panel, and what they are of.

    ``height`` is in pixels.
    """

    of: Literal["loss", "accuracy", "rate"]
    panels: Mapping[str, Sequence[Curve]]
    height: int


def plot(rows: Sequence[Row], width: int, *, key_columns: int, marked: int | None = None) -> Pixels:
    """Draw rows of panels below each other, with a key of the curves of the first panel above, which all have points.

    Parameters
    ----------
    rows : each has one panel, or as many as the others; they are of the same epochs, at least one
    width : in pixels
    key_columns : the names side by side
    marked : an epoch at which a line is drawn

    Returns
    -------
    (H, W, 3)
    """
    columns = max(len(row.panels) for row in rows)
    heights = [row.height for row in rows]
    named = next(iter(rows[0].panels.values()))
    last = max(epoch for row in rows for each in row.panels.values() for curve in each for epoch in curve.epochs)
    with _figure(width, sum(heights) + KEY_H * -(-len(named) // key_columns)) as figure:
        grid = figure.add_gridspec(len(rows), columns, height_ratios=heights)
        for number, row in enumerate(rows):
            wide = columns // len(row.panels)
            axes = [figure.add_subplot(grid[number, at : at + wide]) for at in range(0, columns, wide)]
            _draw_row(axes, row, last)
            for each in axes if marked else ():
                each.axvline(marked, color=_shares(MUTED), linewidth=1, linestyle=(0, (1, 2)), zorder=1)
            if number == len(rows) - 1:
                for each in axes:
                    each.set_xlabel("epoch", color=_shares(MUTED))
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(),
            loc="outside upper left",
            ncols=key_columns,
            frameon=False,
            fontsize=_points(TEXT),
            handlelength=2.6,
            columnspacing=1.2,
        )
        return _pixels(figure)


def _draw_row(axes: Sequence[Any], row: Row, last: int) -> None:
    place = _scaled(axes, row)
    for each, (title, curves) in zip(axes, row.panels.items(), strict=True):
        each.set_title(title)
        for curve in filter(lambda curve: curve.epochs, curves):
            each.plot(
                curve.epochs,
                [place(value) for value in curve.values],
                label=curve.label,
                color=_shares(curve.colour),
                linestyle=curve.dashes,
                marker=curve.mark if last <= MOST_MARKED else "",
                markersize=4.5,
                linewidth=1.6,
                clip_on=False,
                zorder=3,
            )
        margin = 0.02 * (last - 1) or 0.5
        each.set_xlim(1 - margin, last + margin)
        each.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _scaled(axes: Sequence[Any], row: Row) -> Callable[[float], float]:
    """Give the panels of a row the scale of its values; return the function from a value to its place on the scale."""
    values = np.array([value for curves in row.panels.values() for curve in curves for value in curve.values])
    for each in axes[1:]:
        each.sharey(axes[0])
    if row.of == "rate":
        axes[0].set_ylim(0, 1.06 * values.max(initial=1e-12))
    elif row.of == "loss" and _is_wide(values):
        axes[0].set_yscale("log")
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[0].yaxis.set_minor_locator(NullLocator())
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    elif row.of == "accuracy":
        errors = 1 - values[values < 1]
        if _is_wide(errors):
            return _scaled_by_errors(axes[0], errors, is_perfect=len(errors) < len(values))
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{100 * value:g}%"))
    return lambda value: value


def _is_wide(values: Any) -> bool:
    """Return whether a logarithmic scale shows values better."""
    return bool(len(values)) and bool(values.min() > 0) and bool(values.max() >= LOGARITHMIC * values.min())


def _scaled_by_errors(axes: Any, errors: Any, *, is_perfect: bool) -> Callable[[float], float]:
    """Scale accuracies by the logarithm of the share of errors, the best above; 100 % is half a least error."""
    least, largest = float(errors.min()), float(errors.max())
    best = least / 2 if is_perfect else least
    marks = [share for share in _DIGITS if best * 1.5 < share <= largest * 1.2]
    words = [f"{round(100 * (1 - share), 7):g}%" for share in marks]
    if is_perfect:
        marks, words = [*marks, best], [*words, "100%"]
    axes.set_yscale("log")
    axes.set_ylim(min(1.0, largest * 1.2), best / 1.1)
    axes.yaxis.set_major_locator(FixedLocator(marks))
    axes.yaxis.set_major_formatter(FixedFormatter(words))
    axes.yaxis.set_minor_locator(NullLocator())
    return lambda accuracy: max(1 - accuracy, best)


@contextmanager
def _figure(width: int, height: int) -> Iterator[Any]:
    """Yield a figure to draw on, in a style that no settings of the user change."""
    colours = {
        "text.color": INK,
        "axes.titlecolor": INK,
        "axes.edgecolor": FAINT,
        "grid.color": HAIRLINE,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
    }
    style = {
        "font.family": "DejaVu Sans",
        "font.size": _points(SMALL),
        "axes.titlesize": _points(TEXT),
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "text.parse_math": False,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**style, **{name: _shares(colour) for name, colour in colours.items()}})
        yield Figure(figsize=(width / _DOTS, height / _DOTS), dpi=_DOTS, layout="constrained")


def _points(size: int) -> float:
    """Return a size of type in points, of one in pixels."""
    return size * 72 / _DOTS


def _shares(colour: Colour) -> tuple[float, ...]:
    return tuple(part / 255 for part in colour)


def _pixels(figure: Any) -> Pixels:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
