"""Loading kernels with a fault: the edited module and those that depend on it are executed again, in separate namespaces.

CPU kernels run as plain Python, functions on register tiles by their plain twins. This is slow, so the cases are small. For
small cases to have several blocks and a remainder, the blocks are small too (``SIZES``). Register tiles are sized for 32
registers of 16 bytes, as on ARM, on every machine.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import CodeType, ModuleType
from typing import Any

import numba
import numpy as np

from kernels import OPS
from kernels.declare.op import Implementation
from workbench.selftest.executions import Executions
from workbench.selftest.mutation import Mutant, site_of, unit_of
from workbench.selftest.operators import Edit
from workbench.selftest.sources import (
    PACKAGE,
    blocks,
    dependents,
    importing,
    is_marked,
    is_of_project,
    modules_in,
    own_nodes,
    source,
)
from workbench.selftest.units import Unit, units

REGISTERS: dict[str, Callable[[], Any]] = {"register_bytes": lambda: 16, "register_count": lambda: 32}
"""Replacements for functions, whichever module they are imported from."""

SIZES: dict[str, Any] = {
    "geometry.BAND_BYTES": 2048,
    "geometry.UNITS": 4,
    "geometry.BLOCK_ROWS": 5,
    "geometry.TABLE": 16,
    "geometry.FLAT_TERMS": 8,
    "geometry.WIDE": 16,
    "geometry.LANE_POSITIONS": 32,
    "geometry.POSITIONS": 16,
    "geometry.TAPS": 6,
    "bands.CHUNK": 4,
    "channel_plan.BAND_BYTES": 2048,
    "channel_plan.FILTER_BYTES": 256,
    "channel_plan.PIECES": 2,
    "channel_plan.PIXELS": (6, 4, 3, 2, 1),
    "channel_plan.PAIRED": (6, 3, 2, 1),
    "channel_plan.SUMS": 4,
    "batch_plan.BAND_BYTES": 2048,
    "depthwise_plan.BAND_BYTES": 1024,
    "conv2d.cpu.lanes.LANES": 4,
    "conv2d.rules.LANES": 4,
    "conv2d.rules.CHANNEL_TERMS": 8,
    "conv2d.rules.LANE_OUTPUTS": 40,
    "conv2d.rules.TILE_CHANNELS": 3,
    "operands.LEAST_TERMS": 16,
    "pixel_threads.THREADS": 16,
    "weight_sums.LEAST_TERMS": 600,
    "conv2d.cuda.bias.LEAST_TERMS": 600,
    "panels.DEPTH": 8,
    "panels.OUTPUTS": 7,
    "gradients.DEPTH": 3,
    "gradients.SAMPLES": 9,
    "gradients.OUTPUTS": 7,
    "gradients.FEW": 2,
    "gradients.GROUP": 2,
    "gradients.UNITS": 4,
    "matrix.LEAST_ROWS": 5,
    "few.OUTPUTS": 5,
    "partition.UNIT_BYTES": 64,
    "batch_norm.cpu.columns.BLOCK": 5,
    "dropout.cpu.RUNS": 2,
    "fused.dense.SAMPLES": 2,
    "fused.step.CHUNK": 16,
    "executor.fused.FEW": 4,
    "executor.fused.SLOTS": 4,
    "executor.fused.SAMPLES_PER_CALL": 24,
}
"""End of the dotted name -> a small value for a block size, or for some: they are chosen for caches and threads, and change
no result."""

EXECUTED = "__executed__"
"""The name, in the spoiled module, of the function that is called before the spoiled statement."""


_DISABLED = numba.config.DISABLE_JIT


@contextmanager
def plain(disabled: bool = True) -> Iterator[None]:
    """Disable compilation: functions defined inside the block stay plain Python. ``plain(_DISABLED)`` inside undoes that."""
    before = numba.config.DISABLE_JIT
    numba.config.DISABLE_JIT = disabled
    try:
        yield
    finally:
        numba.config.DISABLE_JIT = before


def _imported(*arguments: Any) -> Any:
    """Import modules as Python does: functions of those that are not spoiled are compiled."""
    with plain(_DISABLED):
        return __import__(*arguments)


class World:
    """A set of modules loaded separately: they import each other; all other modules come from ``below`` or from Python.

    Parameters
    ----------
    names : the names of the modules
    below : the world that other modules are looked up in first
    edited, edit : the module that has a fault, and the fault
    executed : called before the spoiled statement
    """

    def __init__(
        self,
        names: frozenset[str],
        below: World | None = None,
        edited: str = "",
        edit: Edit | None = None,
        executed: Callable[[], None] | None = None,
    ) -> None:
        self._names, self._below = names, below
        self._edited, self._edit, self._executed = edited, edit, executed
        self._modules: dict[str, ModuleType] = {}

    def module(self, name: str) -> ModuleType | None:
        """Return a module; None if neither this world nor those below it load it."""
        if name not in self._names:
            return self._below.module(name) if self._below else None
        if name not in self._modules:
            module = self._modules[name] = ModuleType(__name__)  # dataclasses look their module up among those imported
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
            if name == self._edited and self._edit is not None:
                module.__dict__[EXECUTED] = self._executed
                code = _compiled(name, _spoiled(name, self._edit, marked=self._executed is not None))
            else:
                code = _code(name)
            exec(code, module.__dict__)
        return self._modules[name]

    def _import(
        self,
        name: str,
        namespace: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        fromlist: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> Any:
        """Import as Python does, but prefer the modules of this world."""
        if not fromlist or not is_of_project(name):
            return _imported(name, namespace, variables, fromlist or (), level)
        found: dict[str, Any] = {}
        for each in fromlist:
            whole = self.module(f"{name}.{each}")
            if each in REGISTERS:
                found[each] = REGISTERS[each]
            elif whole is not None:
                found[each] = whole
            else:
                own = self.module(name)
                there = own if hasattr(own, each) else _imported(name, namespace, variables, (each,), level)
                found[each] = _handing_over(name, each, getattr(there, each))
        handed = ModuleType(name)
        vars(handed).update(found)
        return handed


def _handing_over(module: str, name: str, value: Any) -> Any:
    """Return the replacement for an implementation that another one imports; any other value is returned unchanged.

    An implementation calls another one only to recompute results of inputs that are not finite. The replacement raises if
    all inputs are finite, since recomputing would hide a fault that makes results infinite or NaN.
    """
    unit = next((unit for unit in units() if unit.target == (module, name) and unit.op in OPS), None)
    if unit is None:
        return value
    inputs = len(OPS[unit.op].inputs)

    def call(*arguments: Any) -> None:
        if all(np.isfinite(array).all() for array in arguments[:inputs]):
            raise ArithmeticError(f"{name} recomputes results of finite inputs")
        value(*arguments)

    return call


@cache
def _world(device: str) -> World:
    """Return the world without a fault. For CUDA it is empty: the kernels, compiled for the simulator, are Python's own."""
    return World(_names(device) if device == "cpu" else frozenset())


@cache
def _names(device: str) -> frozenset[str]:
    return frozenset[str]().union(*(unit.modules for unit in units() if unit.device == device))


def accepts(right: Implementation) -> Callable[..., bool]:
    """Return the rule by which an implementation accepts a call, with small block sizes."""
    rule = right.accepts
    names = importing(rule.__module__, [module for module in modules_in(PACKAGE) if _sizes(module)])
    if not any(map(_sizes, names)):
        return rule
    return getattr(World(names).module(rule.__module__), rule.__name__, rule)


def load(unit: Unit, edited: str = "", edit: Edit | None = None, executed: Callable[[], None] | None = None) -> Any:
    """Load the module of a unit: with an edit of the module ``edited``, if given, before which ``executed`` is called."""
    world = _world(unit.device)
    if edit is not None:
        world = World(dependents(edited, _names(unit.device)), world, edited, edit, executed)
    if unit.device != "cpu":
        return world.module(unit.root) or __import__(unit.root, fromlist=["_"])
    with plain():
        return world.module(unit.root)


def build(mutant: Mutant, executed: Executions) -> Any:
    """Load the module of a mutant's unit with its fault, and count the executions of what is spoiled."""
    site, unit = site_of(mutant), unit_of(mutant)
    is_compiled = unit.device != "cpu" and is_marked(site.place)
    return load(unit, site.place[0], site.edit, executed.compiled() if is_compiled else executed)


@cache
def _code(module: str) -> CodeType:
    return _compiled(module, source(module).tree)


def _compiled(module: str, tree: ast.Module) -> CodeType:
    """Compile a module with small block sizes."""
    sizes = _sizes(module)
    body = []
    for statement in tree.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in sizes:
            statement = ast.copy_location(ast.Assign([target], ast.Constant(sizes[target.id])), statement)
        elif isinstance(target, ast.Tuple) and isinstance(statement, ast.Assign):
            statement = _with_sizes(statement, target, sizes)
        body.append(statement)
    whole = ast.fix_missing_locations(ast.Module(body, []))
    return compile(whole, f"<mutated {module}>", "exec")


def _with_sizes(statement: ast.Assign, target: ast.Tuple, sizes: Mapping[str, Any]) -> ast.Assign:
    value = statement.value
    names = [each.id if isinstance(each, ast.Name) else "" for each in target.elts]
    if not isinstance(value, ast.Tuple) or not set(names) & set(sizes):
        return statement
    values = [
        ast.Constant(sizes[name]) if name in sizes else each for name, each in zip(names, value.elts, strict=True)
    ]
    return ast.copy_location(ast.Assign([target], ast.Tuple(values, ast.Load())), statement)


def _sizes(module: str) -> dict[str, Any]:
    parts = [(*key.rpartition("."), size) for key, size in SIZES.items()]
    return {name: size for end, _, name, size in parts if f".{module}".endswith(f".{end}")}


def _spoiled(module: str, edit: Edit, *, marked: bool) -> ast.Module:
    """Return a module's tree with an edit and, if ``marked``, with a call before the edited statement."""
    before, after = edit
    changed = copy.deepcopy(after)
    tree = copy.deepcopy(source(module).tree, {id(before): changed})
    for block in blocks(tree) if marked else ():
        for number, statement in enumerate(block):
            if any(node is changed for node in own_nodes(statement)):
                call = ast.Expr(ast.Call(ast.Name(EXECUTED, ast.Load()), [], []))
                block.insert(number, ast.copy_location(call, statement))
                return tree
    return tree
