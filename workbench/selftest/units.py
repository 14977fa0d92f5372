"""The units in which faults are planted: every implementation of the registry, and every program of the fused step."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from kernels.call.registry import all_implementations
from workbench.selftest.sources import (
    PACKAGE,
    Place,
    decorators,
    importing,
    is_marked,
    modules_in,
    reached,
    source,
)

FUSED = "fused"
"""The operation's name of all programs of the fused step."""

_PROGRAMS = "kernels.fused"
"""The package of the fused step. Its programs are the functions that executors call."""

_PROGRAM = {"cpu_serial": "cpu", "cuda_kernel": "cuda"}
"""The decorators of programs, and the device that they are for."""

JUDGE = {"cpu": "workbench.selftest.networks", "cuda": "workbench.selftest.device_networks"}
"""By device, the module that runs networks by the programs and checks the results."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An implementation of an operation, or a program of the fused step.

    Attributes
    ----------
    op, device, algorithm : those of the implementation; for a program ``FUSED``, its device and its function's name
    target : the module and the name of its function
    sharing : whether what it shares with earlier units is mutated in those alone: kernels of lower precision share with
        those of the same operation and module, programs of a device, of which each trial compiles a whole one, with all
    """

    op: str
    device: str
    algorithm: str
    target: Place
    sharing: bool = False

    @property
    def root(self) -> str:
        """The module to load in order to run the unit."""
        return JUDGE[self.device] if self.op == FUSED else self.target[0]

    @property
    def places(self) -> frozenset[Place]:
        """Everything that it reaches, except other units that it calls: those are mutated as themselves."""
        everything, before = units(), frozenset[Place]()
        targets = frozenset(unit.target for unit in everything)
        if self.sharing:
            earlier = everything[: everything.index(self)]
            own = [unit.target for unit in earlier if unit._family == self._family]
            before = before.union(*(reached(target, targets) for target in own))
        return reached(self.target, targets) - before

    @property
    def _family(self) -> tuple[str, ...]:
        return self.op, self.device, "" if self.op == FUSED else self.target[0]

    @property
    def modules(self) -> frozenset[str]:
        """The modules whose code it runs, and those through which its root imports them."""
        own = {module for module, _ in self.places}
        between = importing(self.root, own)
        if self.op == FUSED and self.device != "cpu":  # what checks a device's program runs right kernels of the CPU
            between = frozenset(module for module in between if not module.startswith(f"{PACKAGE}."))
        return between | own


def units() -> tuple[Unit, ...]:
    """List the implementations in the order of dispatch, then the programs of the fused step."""
    found = []
    for each in all_implementations():
        if isinstance(each.target, str):
            module, _, name = each.target.partition(":")
        else:
            module, name = each.target.__module__, each.target.__name__
        found.append(
            Unit(
                op=each.op,
                device=each.device,
                algorithm=each.algorithm,
                target=(module, name),
                sharing=each.precision is not None,
            )
        )
    return (*found, *_programs())


def _programs() -> list[Unit]:
    return [
        Unit(op=FUSED, device=device, algorithm=name, target=(module, name), sharing=device != "cpu")
        for module in modules_in(_PROGRAMS)
        for name, node in source(module).definitions.items()
        for decorator, device in _PROGRAM.items()
        if isinstance(node, ast.FunctionDef) and decorator in decorators(node)
    ]


def unreached(package: str) -> list[Place]:
    """List the functions of a package that have a kernel's decorator and that no unit reaches."""
    everywhere = frozenset[Place]().union(*(unit.places for unit in units()))
    marked = [(module, name) for module in modules_in(package) for name in source(module).definitions]
    return [place for place in marked if is_marked(place) and place not in everywhere]
