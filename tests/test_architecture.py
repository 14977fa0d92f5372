"""The architecture of the tree: packages, and imports that point one way, including those inside functions.

A "room" is a package or top-level module of a part of the tree.
"""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HALVES = ("kernels", "workbench")
MOST_PACKAGES, MOST_MODULES = 23, 6
"""The most packages and modules directly in workbench/."""
ORDER = {
    "kernels": "functions call tile cuda_tile jit op rounding errors ops fused augment simd simt memory compile declare "
    "installation",
    "workbench": "__main__ cli demo showing selftest report benching predicting inspecting testing beside checking target "
    "oracle cases peers network datasets pictures sampling roofline timing sim system numba_internals",
    "workbench.sim": "plugin host counting compiler language common runtime",
}
"""The rooms of a part of the tree from top to bottom: each imports only from rooms to its right."""


@cache
def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    files = [file for half in HALVES for file in (ROOT / half).rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imported(module: str) -> Iterator[str]:
    """Yield the modules of this project that a module imports: at its top, in functions, and for type checking."""
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in modules() or node.module in modules():
                    yield full if full in modules() else str(node.module)


@cache
def arrows() -> dict[str, set[str]]:
    """Which modules each module imports."""
    return {module: set(imported(module)) - {module} for module in modules()}


def room(module: str, depth: int = 2) -> str:
    """Return the room of a module: the first ``depth`` names of its dotted name."""
    return ".".join(module.split(".")[:depth])


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle in a graph; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def rooms_of(half: str, depth: int) -> dict[str, set[str]]:
    """Return the rooms that each room of a part of the tree imports from; the part's own ``__init__`` is not a room."""
    found: dict[str, set[str]] = {}
    for module, targets in arrows().items():
        if module.startswith(f"{half}.") and module.count(".") >= depth - 1:
            inside = {
                room(each, depth) for each in targets if each.startswith(f"{half}.") and each.count(".") >= depth - 1
            }
            found.setdefault(room(module, depth), set()).update(inside - {room(module, depth)})
    return found


def test_the_kernels_know_nothing_of_the_workbench():
    assert [
        (a, b) for a, targets in arrows().items() for b in targets if a.startswith("kernels") and b.startswith("work")
    ] == []


@pytest.mark.parametrize(
    ("part", "depth"), [("kernels", 2), ("workbench", 2), ("workbench.sim", 3), ("workbench.network", 3)]
)
def test_rooms_import_one_way(part, depth):
    graph = rooms_of(part, depth)
    assert len(graph) > 2
    assert circle(graph) == []


def upwards(graph: dict[str, set[str]], order: list[str]) -> list[tuple[str, str]]:
    """Return the arrows from a room to one above it."""
    return [(room, to) for place, room in enumerate(order) for to in order[:place] if to in graph[room]]


@pytest.mark.parametrize("part", ORDER)
def test_arrows_point_down(part):
    graph = rooms_of(part, part.count(".") + 2)
    order = [f"{part}.{each}" for each in ORDER[part].split()]
    assert sorted(order) == sorted(graph)
    assert upwards(graph, order) == []


def test_an_arrow_up_is_detected():
    assert upwards({"a": {"b"}, "b": set(), "c": {"a", "b"}}, ["a", "b", "c"]) == [("c", "a"), ("c", "b")]
    assert upwards({"a": {"b"}, "b": set()}, ["a", "b"]) == []


def test_modules_import_one_way():
    assert circle(arrows()) == []


@pytest.mark.parametrize("half", HALVES)
def test_nothing_imports_the_package_itself(half):
    """A room that imports the package's ``__init__`` would depend on all other rooms."""
    doors = {a for a, targets in arrows().items() if half in targets and a.startswith(f"{half}.")}
    assert doors <= {f"{half}.__main__"}


def test_the_top_of_workbench_is_small():
    top = [path for path in (ROOT / "workbench").iterdir() if path.name != "__pycache__"]
    assert sum(path.is_dir() for path in top) <= MOST_PACKAGES
    assert sum(path.suffix == ".py" for path in top) <= MOST_MODULES


def test_no_test_code_is_installed():
    assert not any(module.split(".")[-1].startswith(("test_", "cuda_zoo")) for module in modules())


def test_a_circle_is_detected():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
