"""The roofline as a separate file: PNG at twice the size, drawn by matplotlib, or SVG."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kernels.installation import install_command
from workbench.report.drawing import RADIUS, Drawing, to_svg
from workbench.report.roofline_layout import Point, lay_out
from workbench.report.theme import LIGHT
from workbench.system.errors import InputError
from workbench.system.files import atomic_path
from workbench.system.terminal import one_line

WIDTH, HEIGHT = 960.0, 560.0
"""Size of the plot, in pixels; a PNG has twice as many."""

_DOTS = 100
"""Pixels of the drawing per inch of matplotlib's figure: a pixel of font size is 0.72 points."""


def check_picture(path: Path) -> None:
    """Reject a path that no roofline can be drawn to, before anything is measured.

    Raises
    ------
    InputError
        The suffix is neither .png nor .svg, or it is .png and matplotlib is missing.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg"):
        raise InputError(f"{path}: a roofline is drawn as .png or .svg; use one of these suffixes")
    if suffix == ".png":
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            remedy = f"{install_command('matplotlib')}, or use a .svg file"
            raise InputError(f"{path}: needs matplotlib; {remedy}") from None


def draw_roofline(peaks: dict[str, Any], points: Sequence[Point], path: Path, *, title: str) -> None:
    """Write the measured roofs of a device, with kernels as points below them, to a PNG or SVG file.

    Parameters
    ----------
    peaks : the limits of one device: ``gflops`` by dtype, ``gbps`` by level of memory
    points : the kernels; those without arithmetic are left out
    path : its suffix, .png or .svg, sets the format; the SVG follows the reader's light or dark theme
    title : text above the plot

    Raises
    ------
    InputError
        As raised by ``check_picture``, or the folder cannot be written.
    """
    check_picture(path)
    drawing = lay_out(peaks, points, width=WIDTH, height=HEIGHT, title=title)
    with atomic_path(path) as file:
        if path.suffix.lower() == ".png":
            _save_png(drawing, file)
        else:
            file.write_text(to_svg(drawing, alone=True) + "\n", encoding="utf-8")


def _save_png(drawing: Drawing, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(drawing.width / _DOTS, drawing.height / _DOTS), facecolor=LIGHT["paper"])
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    _paint(drawing, axes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # characters that the font lacks are shown as boxes
        figure.savefig(path, dpi=2 * _DOTS, format="png")


def _paint(drawing: Drawing, axes: Any) -> None:
    from matplotlib.patches import Circle, Polygon
    from matplotlib.patheffects import withStroke

    points = 72 / _DOTS
    for line in drawing.lines:
        across, down = zip(line.start, line.end, strict=True)
        style = (0, (5, 3)) if line.dashed else "solid"
        axes.plot(across, down, color=LIGHT[line.role], linewidth=line.width * points, linestyle=style, zorder=1)
    for mark in drawing.marks:
        colour, paper = LIGHT[mark.role], LIGHT["paper"]
        face, edge = (paper, colour) if mark.hollow else (colour, paper)
        axes.add_patch(Polygon(mark.outline(), facecolor=face, edgecolor=edge, linewidth=1.1, zorder=2))
        if mark.ringed:
            axes.add_patch(Circle(mark.at, RADIUS * 1.9, fill=False, edgecolor=colour, linewidth=0.8, zorder=2))
    halo = withStroke(linewidth=2.2, foreground=LIGHT["paper"])
    for label in drawing.labels:
        axes.text(
            *label.at,
            one_line(label.text),
            color=LIGHT[label.role],
            fontsize=label.size * points,
            fontweight="bold" if label.bold else "normal",
            horizontalalignment={"start": "left", "middle": "center", "end": "right"}[label.anchor],
            verticalalignment="baseline",
            rotation=-label.angle,
            rotation_mode="anchor",
            parse_math=False,
            path_effects=[halo],
            zorder=3,
        )
