"""Draw docs/images/architecture.svg from the imports of the packages: ``python -m docs.draw_architecture``.

A package is drawn below every package that imports it. Arrows that follow from others are left out: if cli imports checking
and checking imports system, an arrow from cli to system adds nothing.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tests.test_architecture import HALVES, ROOT, rooms_of

PICTURE = Path(__file__).with_name("images") / "architecture.svg"

WIDTH, HEIGHT, GAP, LEVEL = 132, 30, 18, 66
"""The size of a box, the gap between boxes, and the distance between rows."""
SWEEPS = 24
"""The number of times that rows are sorted by the positions of their neighbours."""

Graph = dict[str, set[str]]
STYLE = """
  text { font: 14px system-ui, sans-serif; text-anchor: middle; fill: #1b2733; }
  .half { fill: #f6f8fa; stroke: #c9d3dc; } .box { fill: #ffffff; stroke: #3d6b99; stroke-width: 1.3; }
  .name { font-weight: 600; text-anchor: start; fill: #52616f; }
  path { fill: none; stroke: #8496a6; stroke-width: 1.2; marker-end: url(#arrow); }
"""


def packages(half: str) -> Graph:
    """Return the packages of a half of the tree, each with those that it imports from, without top-level modules."""
    graph = {
        room.split(".")[1]: {each.split(".")[1] for each in targets} for room, targets in rooms_of(half, 2).items()
    }
    inside = {name for name in graph if (ROOT / half / name).is_dir()}
    return {name: targets & inside for name, targets in graph.items() if name in inside}


def reachable(graph: Graph, name: str) -> set[str]:
    """Return all that a package depends on, directly or through others."""
    return graph[name] | {far for near in graph[name] for far in reachable(graph, near)}


def essential(graph: Graph) -> Graph:
    """Leave out the arrows that follow from others."""
    far = {name: reachable(graph, name) for name in graph}
    return {name: {to for to in graph[name] if not any(to in far[via] for via in graph[name])} for name in graph}


def levels(graph: Graph) -> dict[str, int]:
    """Return the row of each package: one below the lowest of those that import it."""
    found: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((level(other) for other in graph if name in graph[other]), default=-1)
        return found[name]

    for name in graph:
        level(name)
    return found


def arranged(graph: Graph) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows, and the arrows as lists of places: from package to package, with a place in each row between."""
    level = levels(graph)
    rows: list[list[str]] = [sorted(name for name in graph if level[name] == y) for y in range(max(level.values()) + 1)]
    arrows = []
    for name in sorted(graph):
        for to in sorted(graph[name]):
            between = [f"{name}>{to}:{y}" for y in range(level[name] + 1, level[to])]
            for y, place in enumerate(between, level[name] + 1):
                rows[y].append(place)
            arrows.append([name, *between, to])
    near: dict[str, list[str]] = {}
    for arrow in arrows:
        for above, below in pairwise(arrow):
            near.setdefault(above, []).append(below)
            near.setdefault(below, []).append(above)
    for sweep in range(SWEEPS):
        x = positions(rows)
        for row in rows if sweep % 2 else reversed(rows):
            row.sort(
                key=lambda place: sum(x[each] for each in near.get(place, [place])) / len(near.get(place, [place]))
            )
    return rows, arrows


def positions(rows: list[list[str]]) -> dict[str, float]:
    """Return the middle of every place; rows are centred."""
    x = {}
    for row in rows:
        widths = [GAP + (WIDTH if ">" not in place else 0) for place in row]
        start = -sum(widths) / 2
        for place, width in zip(row, widths, strict=True):
            x[place] = start + width / 2
            start += width
    return x


def box(kind: str, x: float, y: float, width: float, height: float) -> str:
    """Return a rectangle with round corners."""
    return f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6"/>'


def drawn(half: str, top: float) -> tuple[list[str], float, float]:
    """Return the shapes of a half of the tree, its extent to either side, and its lower end."""
    rows, arrows = arranged(essential(packages(half)))
    x = positions(rows)
    y = {place: top + 34 + LEVEL * index for index, row in enumerate(rows) for place in row}
    shapes = []
    for arrow in arrows:
        path = f"M{x[arrow[0]]:.0f} {y[arrow[0]] + HEIGHT:.0f}"
        for above, below in pairwise(arrow):
            start, end = y[above] + HEIGHT, y[below] - (4 if below == arrow[-1] else 0)
            middle = (start + end) / 2
            path += f" C{x[above]:.0f} {middle:.0f} {x[below]:.0f} {middle:.0f} {x[below]:.0f} {end:.0f}"
            if below != arrow[-1]:
                path += f" V{y[below] + HEIGHT:.0f}"
        shapes.append(f'<path d="{path}"/>')
    for name in (place for row in rows for place in row if ">" not in place):
        shapes.append(box("box", x[name] - WIDTH / 2, y[name], WIDTH, HEIGHT))
        shapes.append(f'<text x="{x[name]:.0f}" y="{y[name] + 20:.0f}">{name}/</text>')
    reach = max(abs(value) for value in x.values()) + WIDTH / 2 + 24
    return shapes, reach, top + 34 + LEVEL * (len(rows) - 1) + HEIGHT + 18


def picture() -> str:
    """Return the picture of both halves, the workbench above the kernels that it imports."""
    parts, top = [], 10.0
    for half in reversed(HALVES):
        shapes, reach, bottom = drawn(half, top)
        parts.append((half, shapes, reach, top, bottom))
        top = bottom + 44
    reach = max(part[2] for part in parts)
    width, height = 2 * reach + 20, top - 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"',
        f' width="{width:.0f}" height="{height:.0f}">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" style="fill:#8496a6;stroke:none;marker-end:none"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<g transform="translate({width / 2:.0f} 0)">',
    ]
    for half, shapes, _, top, bottom in parts:
        lines.append(box("half", -reach, top, 2 * reach, bottom - top))
        lines.append(f'<text class="name" x="{14 - reach:.0f}" y="{top + 24:.0f}">{half}/</text>')
        lines += shapes
    bottom = parts[0][4]
    lines.append(f'<path d="M0 {bottom:.0f} V{bottom + 40:.0f}" style="stroke-width:3"/>')
    lines.append(
        f'<text x="12" y="{bottom + 26:.0f}" style="text-anchor:start">imports, never the other way round</text>'
    )
    return "\n".join([*lines, "</g>", "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
