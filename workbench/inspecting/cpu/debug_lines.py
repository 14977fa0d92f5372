"""Carry source lines from the debug information in LLVM's text into the assembly.

An assembler's line table has a file, a line and a column, but not the place that a function was inlined at. LLVM's text has
it. So the column of every location, which Numba does not use, becomes the number of the location itself.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

LAST_COLUMN = 65_535
"""The largest column: it has 16 bits."""

_NODE = re.compile(r"^!(\d+) = (.*)$", flags=re.MULTILINE)
_FUNCTION = re.compile(r"^define [^\n]*\{\n.*?^\}", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, order=True)
class Place:
    """A line in a file."""

    file: str
    line: int


Chain = tuple[Place, ...]
"""A place, followed by the places that it was inlined at, innermost first."""


@dataclass
class _Module:
    """The numbered nodes of a module's metadata, as text."""

    nodes: dict[int, str]
    added: list[str] = field(default_factory=list)

    def add(self, text: str) -> int:
        number = max(self.nodes, default=-1) + 1
        self.nodes[number] = text
        self.added.append(f"!{number} = {text}")
        return number

    def reference(self, number: int, name: str) -> int | None:
        found = re.search(rf"\b{name}: !(\d+)", self.nodes[number])
        return int(found[1]) if found else None

    def word(self, number: int, name: str) -> str:
        found = re.search(rf'\b{name}: (?:"([^"]*)"|(\w+))', self.nodes[number])
        return _unescaped(found[1] or found[2] or "") if found else ""

    def is_location(self, number: int) -> bool:
        return self.nodes.get(number, "").startswith("!DILocation(")


def with_numbered_columns(ir: str) -> tuple[str, dict[int, Chain]]:
    """Number the locations of a module.

    Wrappers that Numba writes have no debug information, and code inlined into them would lose its lines; they get some.

    Returns
    -------
    ir
        The module, with the number of each location as its column.
    chains
        The place and the places it was inlined at, by number.
    """
    module = _Module({int(number): text for number, text in _NODE.findall(ir)})
    ir = _FUNCTION.sub(lambda match: _with_located_calls(_with_subprogram(match[0], module), module), ir)
    ir = "\n".join([ir, *module.added, ""])
    chains: dict[int, Chain] = {}

    def numbered(match: re.Match[str]) -> str:
        number = int(match[1])
        if number > LAST_COLUMN or not module.is_location(number):
            return match[0]
        chains[number] = _chain(module, number)
        text = re.sub(r"(, )?\bcolumn: \d+", "", match[2])
        return f"!{number} = " + text.replace("!DILocation(", f"!DILocation(column: {number}, ", 1)

    return _NODE.sub(numbered, ir), chains


def _unescaped(text: str) -> str:
    r"""Return a string of LLVM's text, in which bytes outside printable ASCII are written as ``\C3``."""
    return os.fsdecode(re.sub(rb"\\([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), os.fsencode(text)))


def _chain(module: _Module, number: int) -> Chain:
    places = []
    at: int | None = number
    while at is not None:
        line = int(module.word(at, "line") or 0)
        scope = module.reference(at, "scope")
        file = None if scope is None else module.reference(scope, "file")
        if line and file is not None:
            places.append(Place(str(Path(module.word(file, "directory")) / module.word(file, "filename")), line))
        at = module.reference(at, "inlinedAt")
    return tuple(places)


def _with_subprogram(function: str, module: _Module) -> str:
    """Add debug information to a function without it, so that code inlined into it keeps its lines."""
    head, _, body = function.partition("\n")
    used = sorted({int(number) for number in re.findall(r"!dbg !(\d+)", body)})
    if "!dbg" in head or not used:
        return function
    scope = module.reference(_root(module, used[0]), "scope")
    if scope is None:
        return function
    named = re.sub(r'name: "[^"]*"(, linkageName: "[^"]*")?', 'name: "wrapper"', module.nodes[scope], count=1)
    subprogram = module.add(named)
    call = module.add(f"!DILocation(line: 0, scope: !{subprogram})")
    moved: dict[int, int] = {}

    def move(number: int) -> int:
        if number not in moved:
            text, outer = module.nodes[number], module.reference(number, "inlinedAt")
            if outer is None:
                moved[number] = module.add(f"{text.removesuffix(')')}, inlinedAt: !{call})")
            else:
                moved[number] = module.add(text.replace(f"inlinedAt: !{outer}", f"inlinedAt: !{move(outer)}"))
        return moved[number]

    body = re.sub(r"!dbg !(\d+)", lambda match: f"!dbg !{move(int(match[1]))}", body)
    return f"{head.removesuffix('{')}!dbg !{subprogram} {{\n{body}"


def _with_located_calls(function: str, module: _Module) -> str:
    """Give calls without a location one without a line: otherwise LLVM discards the debug information of the module."""
    head, _, body = function.partition("\n")
    subprogram = re.search(r"!dbg !(\d+) \{$", head)
    bare = re.compile(r"^(?!.*!dbg )( .*\bcall\b.*)$", flags=re.MULTILINE)
    if subprogram is None or not bare.search(body):
        return function
    nowhere = module.add(f"!DILocation(line: 0, scope: !{subprogram[1]})")
    return head + "\n" + bare.sub(rf"\1, !dbg !{nowhere}", body)


def _root(module: _Module, number: int) -> int:
    while (outer := module.reference(number, "inlinedAt")) is not None:
        number = outer
    return number
