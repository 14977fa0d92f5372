"""The source of kernels as syntax trees: what a module defines, and what a function reaches through the names that it uses.

Nothing is imported: names are followed from module to module by syntax alone.

Only the code of kernels is followed. Excluded are other packages, that of device memory, which computes nothing, and two
kinds of functions whose Python bodies do not run in a compiled kernel:

- Machinery: functions of a module that imports LLVM, or more of Numba than kernels need. They generate code or select it.
  Functions of such a module that have a kernel's decorator are followed all the same.
- Intrinsics: functions with any other decorator of such a module, for example those on register tiles. In compiled code
  they are LLVM instructions; the body below the decorator is their plain twin, which mutants run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import kernels
from kernels import OPS
from workbench.selftest.nodes import base

PACKAGE = kernels.__name__
"""The package whose functions are kernels; names from other packages are not followed."""

COMPILERS = ("cpu_kernel", "cpu_inline", "cpu_core", "cpu_part", "cpu_serial", "scalar", "cuda_kernel", "cuda_device")
"""Decorators of kernels and of their helpers."""

_WRITTEN_IN_KERNELS = {f"numba.{name}" for name in ("prange", "cuda", "int32", "int64", "uint32", "uint64")}
"""What modules of kernels import from Numba itself."""

_MEMORY = f"{PACKAGE}.memory."

_ROOT = Path(kernels.__file__).parent.parent

Place = tuple[str, str]
"""A module and a name in it."""


@dataclass(frozen=True)
class Source:
    """A module: its file, its syntax tree, and what its names refer to.

    Attributes
    ----------
    path : the file
    tree : the syntax tree of the whole file
    definitions : name -> function, class or assigned value
    imported : name -> the module that it comes from, and its name there; "" if it is the module itself
    modules : all imported modules and packages, including those of other projects
    """

    path: Path
    tree: ast.Module
    definitions: dict[str, ast.AST]
    imported: dict[str, Place]
    modules: frozenset[str]

    @property
    def where(self) -> str:
        """The file, relative to the root of the project."""
        return self.path.relative_to(_ROOT).as_posix()


@cache
def source(module: str) -> Source:
    """Read a module by its dotted name."""
    path = _file(module)
    assert path is not None, module
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions: dict[str, ast.AST] = {}
    imported: dict[str, Place] = {}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign):
            definitions |= _assigned(statement.targets[0], statement.value)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            definitions |= _assigned(statement.target, statement.value)
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                whole = f"{statement.module}.{alias.name}"
                place = (whole, "") if _file(whole) else (statement.module or "", alias.name)
                imported[alias.asname or alias.name] = place
    modules = {place[0] for place in imported.values()}
    for node in tree.body:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return Source(path, tree, definitions, imported, frozenset(modules))


def _file(module: str) -> Path | None:
    """Return the file of a module of this project; None for any other module."""
    path = _ROOT.joinpath(*module.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def modules_in(package: str) -> list[str]:
    """List the modules of a package."""
    folder = _ROOT.joinpath(*package.split("."))
    found = [file.relative_to(_ROOT).with_suffix("").parts for file in sorted(folder.rglob("*.py"))]
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in found]


def is_of_project(module: str) -> bool:
    """Return whether a module belongs to this project."""
    return _file(module) is not None


def _assigned(target: ast.expr, value: ast.expr) -> dict[str, ast.AST]:
    """Return the names that an assignment sets, each with its own value if the right side is split, else the whole."""
    if not isinstance(target, ast.Tuple):
        return {target.id: value} if isinstance(target, ast.Name) else {}
    each_its_own = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
    values = value.elts if each_its_own and isinstance(value, ast.Tuple) else [value] * len(target.elts)
    return {name.id: one for name, one in zip(target.elts, values, strict=True) if isinstance(name, ast.Name)}


@cache
def reached(start: Place, ends: frozenset[Place]) -> frozenset[Place]:
    """Return what a definition reaches, including itself: functions, classes, values, intrinsics; not ``ends``."""
    found: set[Place] = set()
    todo = [start]
    while todo:
        place = todo.pop()
        if place in found or (place in ends and place != start) or not _is_followed(place):
            continue
        found.add(place)
        if not is_intrinsic(place):
            todo += _used(place)
    return frozenset(found)


def _is_followed(place: Place) -> bool:
    module, name = place
    if module.partition(".")[0] != PACKAGE or name not in source(module).definitions or module.startswith(_MEMORY):
        return False
    return not _is_machinery(module) or is_marked(place) or is_intrinsic(place)


@cache
def _used(place: Place) -> list[Place]:
    """Return the places of the names that a definition uses."""
    module, name = place
    node, known = source(module).definitions[name], source(module)
    own = local_names(node) if isinstance(node, ast.FunctionDef) else frozenset[str]()
    places = []
    for each in _walk(node):
        if isinstance(each, ast.Name) and each.id not in own:
            if each.id in known.definitions:
                places.append((module, each.id))
            elif each.id in known.imported:
                places.append(known.imported[each.id])
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            there, inside = known.imported.get(each.value.id, ("", "?"))
            if not inside:
                places.append((there, each.attr))
    return [_resolved(each) for each in places]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all nodes inside it, except annotations."""
    yield node
    for child in _children(node):
        yield from _walk(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the direct children of a node, except annotations."""
    for field, child in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            yield from (each for each in (child if isinstance(child, list) else [child]) if isinstance(each, ast.AST))


def _resolved(place: Place) -> Place:
    """Follow a re-exported name to the module that defines it."""
    module, name = place
    while is_of_project(module) and name in source(module).imported and name not in source(module).definitions:
        module, name = source(module).imported[name]
    return module, name


def local_names(function: ast.FunctionDef) -> frozenset[str]:
    """Return the parameters and variables of a function and of the functions nested in it."""
    nodes = list(ast.walk(function))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return frozenset(names | {node.arg for node in nodes if isinstance(node, ast.arg)})


@cache
def _is_machinery(module: str) -> bool:
    imported = {name for statement in source(module).tree.body for name in _names_imported(statement)}
    return any(name.partition(".")[0] in ("numba", "llvmlite") for name in imported - _WRITTEN_IN_KERNELS)


def _names_imported(statement: ast.stmt) -> list[str]:
    """Return the dotted names that a statement imports."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [f"{statement.module}.{alias.name}" for alias in statement.names]
    return []


def decorators(function: ast.FunctionDef) -> list[str]:
    """Return the names of a function's decorators."""
    return [base(decorator) for decorator in function.decorator_list]


def is_marked(place: Place) -> bool:
    """Return whether a function, or one nested in it, has a kernel's decorator."""
    node = source(place[0]).definitions[place[1]]
    return isinstance(node, ast.FunctionDef) and any(
        name in COMPILERS for each in ast.walk(node) if isinstance(each, ast.FunctionDef) for name in decorators(each)
    )


@cache
def is_intrinsic(place: Place) -> bool:
    """Return whether a function is an intrinsic: it has a decorator from the machinery other than a kernel's."""
    module, name = place
    node, known = source(module).definitions[name], source(module)
    if not isinstance(node, ast.FunctionDef):
        return False
    origins = [known.imported.get(each, ("", ""))[0] for each in decorators(node) if each not in COMPILERS]
    return any(origin.partition(".")[0] == PACKAGE and _is_machinery(origin) for origin in origins)


def functions_at(place: Place) -> list[ast.FunctionDef]:
    """Return the functions of a definition: itself, or the methods of a class; none for an intrinsic."""
    node = source(place[0]).definitions[place[1]]
    if isinstance(node, ast.FunctionDef):
        return [] if is_intrinsic(place) else [node]
    return [each for each in node.body if isinstance(each, ast.FunctionDef)] if isinstance(node, ast.ClassDef) else []


@cache
def dependents(edited: str, among: frozenset[str]) -> frozenset[str]:
    """Return ``edited`` and the modules in ``among`` that import it, directly or through others in ``among``."""
    found = {edited}
    while more := {each for each in among - found if source(each).modules & found}:
        found |= more
    return frozenset(found)


def importing(root: str, wanted: Iterable[str]) -> frozenset[str]:
    """Return ``root`` and the modules that it imports through which it reaches one of ``wanted``, those included."""
    seen: set[str] = set()
    todo = [root]
    while todo:
        module = todo.pop()
        if module not in seen and is_of_project(module):
            seen.add(module)
            todo += source(module).modules
    return frozenset().union(*(dependents(each, frozenset(seen)) for each in set(wanted) & seen)) | {root}


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the lists of statements in a node, outer lists before inner ones."""
    for each in ast.walk(node):
        for name in ("body", "orelse"):
            block = getattr(each, name, None)
            if isinstance(block, list):
                yield block


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement and its expressions, without nested statements and annotations."""
    yield node
    if not isinstance(node, ast.FunctionDef):
        yield from _inside(node)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    for child in _children(node):
        if not isinstance(child, ast.stmt):
            yield child
            yield from _inside(child)


def outputs_in(function: ast.FunctionDef) -> frozenset[str]:
    """Return the names that hold outputs of the operation, or parts of them."""
    declared = {name for op in OPS.values() for name in op.outputs} | {"target"}
    names = {argument.arg for argument in function.args.args if argument.arg in declared}
    for statement in (statement for block in blocks(function) for statement in block):
        if isinstance(statement, ast.Assign) and base(statement.value) in names:
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return frozenset(names)
