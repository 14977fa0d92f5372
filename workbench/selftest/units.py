"""What faults are planted in: every implementation of the registry, and every program of the fused step."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from kernels.call.registry import all_implementations
from workbench.selftest.sources import (
    Place,
    decorators,
    importing,
    is_marked,
    modules_in,
    reached,
    source,
)

FUSED = "fused"
"""What stands for the operation of a program of the fused step."""

_PROGRAMS = "kernels.fused"
"""The package of the fused step. Its programs are what executors call, the functions that are compiled by themselves."""

_PROGRAM = "cpu_serial"

JUDGE = "workbench.selftest.networks"
"""Runs networks by the fused step, and judges them."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An implementation of an operation, or a program of the fused step.

    Attributes
    ----------
    op, device, algorithm : as of an implementation; of a program ``FUSED``, "cpu" and its function's name
    target : the module and the name of its function
    """

    op: str
    device: str
    algorithm: str
    target: Place

    @property
    def root(self) -> str:
        """The module to load in order to run it."""
        return JUDGE if self.op == FUSED else self.target[0]

    @property
    def places(self) -> frozenset[Place]:
        """All that it reaches, but for others to which it hands over: they are mutated as themselves."""
        return reached(self.target, frozenset(unit.target for unit in units()))

    @property
    def modules(self) -> frozenset[str]:
        """The modules of which it runs something, and those that lead there from its root."""
        own = {module for module, _ in self.places}
        return importing(self.root, own) | own


def units() -> tuple[Unit, ...]:
    """List the implementations in the order of dispatch, then the programs of the fused step."""
    found = []
    for each in all_implementations():
        if isinstance(each.target, str):
            module, _, name = each.target.partition(":")
        else:
            module, name = each.target.__module__, each.target.__name__
        found.append(Unit(op=each.op, device=each.device, algorithm=each.algorithm, target=(module, name)))
    return (*found, *_programs())


def _programs() -> list[Unit]:
    return [
        Unit(op=FUSED, device="cpu", algorithm=name, target=(module, name))
        for module in modules_in(_PROGRAMS)
        for name, node in source(module).definitions.items()
        if isinstance(node, ast.FunctionDef) and _PROGRAM in decorators(node)
    ]


def unreached(package: str) -> list[Place]:
    """List the functions of a package under a decorator of kernels that no unit reaches."""
    everywhere = frozenset[Place]().union(*(unit.places for unit in units()))
    marked = [(module, name) for module in modules_in(package) for name in source(module).definitions]
    return [place for place in marked if is_marked(place) and place not in everywhere]
