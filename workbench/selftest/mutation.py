"""Mutants: faults planted mechanically in the source of the built-in kernels, which the checker must find.

Every function that an implementation or a program of the fused step reaches is parsed. Mutation operators propose changes of
single nodes of the syntax tree, each a mistake that is common in kernels. A change in a function that several
implementations share is a mutant of each of them.

Source: R. DeMillo, R. Lipton, F. Sayward, Hints on Test Data Selection: Help for the Practicing Programmer (1978), for
mutation as the measure of a test.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from workbench.selftest.nodes import head
from workbench.selftest.operators import OPERATORS, Edit, Scope
from workbench.selftest.sources import PACKAGE, Place, blocks, functions_at, local_names, outputs_in, own_nodes, source
from workbench.selftest.speed import speed_alone
from workbench.selftest.units import Unit, units


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted fault.

    Attributes
    ----------
    name : the function and the change, without line numbers, so that edits elsewhere do not change it; units that share
        the function have mutants of the same name
    op, device, algorithm : the unit that is spoiled, see ``Unit``
    operator : the kind of change, a key of ``OPERATORS``
    where : file and line
    before, after : the statement, or the first line of a compound one, before and after the change
    """

    name: str
    op: str
    device: str
    algorithm: str
    operator: str
    where: str
    before: str
    after: str


@dataclass(frozen=True)
class Site:
    """One edit: the definition and the statement that it changes, and the statement's first line before and after."""

    place: Place
    function: ast.FunctionDef
    statement: ast.stmt
    operator: str
    edit: Edit
    before: str
    after: str


@cache
def mutants() -> tuple[Mutant, ...]:
    """Return all mutants, unit by unit, in the order of the source; no kernel is imported or run."""
    return tuple(mutant for unit in units() for mutant in mutants_of(unit))


def mutants_of(unit: Unit) -> list[Mutant]:
    """Return the mutants of one implementation or program."""
    return [_mutant(unit, site, name) for name, site in sites_of(unit).items()]


def named(op: str, device: str, algorithm: str, name: str) -> Mutant:
    """Return the mutant of a unit that has this name.

    Raises
    ------
    KeyError
        There is none, for example because the source has changed.
    """
    unit = _units()[op, device, algorithm]
    return _mutant(unit, sites_of(unit)[name], name)


def unit_of(mutant: Mutant) -> Unit:
    """Return the unit that a mutant spoils."""
    return _units()[mutant.op, mutant.device, mutant.algorithm]


def site_of(mutant: Mutant) -> Site:
    """Return the edit of a mutant."""
    return sites_of(unit_of(mutant))[mutant.name]


def sharing(mutant: Mutant) -> Iterator[Mutant]:
    """Yield the mutants of other units with the same change, in a function that they share."""
    site = site_of(mutant)
    for unit in units():
        if unit != unit_of(mutant) and site.place in unit.places:
            yield _mutant(unit, site, mutant.name)


@cache
def _units() -> dict[tuple[str, str, str], Unit]:
    return {(unit.op, unit.device, unit.algorithm): unit for unit in units()}


@cache
def sites_of(unit: Unit) -> dict[str, Site]:
    """Return the edits of all definitions that a unit reaches, by name."""
    return {name: site for place in sorted(unit.places) for name, site in sites_at(*place).items()}


@cache
def sites_at(module: str, name: str) -> dict[str, Site]:
    """Return the edits of a definition, by name."""
    return _named(site for function in functions_at((module, name)) for site in _sites(module, name, function))


def _named(sites: Iterator[Site]) -> dict[str, Site]:
    """Name the edits of one definition without duplicates; equal names are numbered."""
    named: dict[str, Site] = {}
    names: Counter[str] = Counter()
    seen: set[tuple[ast.stmt, str]] = set()
    for site in sites:
        change = site.statement, site.after
        if change in seen:
            continue  # another operator makes the same change
        seen.add(change)
        before, after = (head(node) for node in site.edit)
        name = f"{short_names()[site.place[0]]}.{site.function.name} {site.operator}: {before} -> {after}"
        names[name] += 1
        named[name if names[name] == 1 else f"{name} #{names[name]}"] = site
    return named


def _sites(module: str, name: str, function: ast.FunctionDef) -> Iterator[Site]:
    scope = Scope(local_names(function), outputs_in(function))
    for statement in sorted((each for block in blocks(function) for each in block), key=lambda each: each.lineno):
        before = head(statement)
        excluded = speed_alone(f"{short_names()[module]}.{name}", own_nodes(statement))
        for node in own_nodes(statement):
            if id(node) in excluded:
                continue
            for operator, propose in OPERATORS.items():
                for edit in propose(node, scope):
                    if id(edit[0]) in excluded:
                        continue
                    after = head(_changed(statement, edit))
                    yield Site((module, name), function, statement, operator, edit, before, after)


@cache
def short_names() -> dict[str, str]:
    """Return a short name for every mutated module: the shortest end of its dotted name that is unique."""
    modules = {module for unit in units() for module, _ in unit.places}
    ends = Counter(end for module in modules for end in _ends(module))
    return {module: next(end for end in _ends(module) if ends[end] == 1) for module in modules}


def _ends(module: str) -> list[str]:
    parts = module.removeprefix(f"{PACKAGE}.").split(".")
    return [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]


def _mutant(unit: Unit, site: Site, name: str) -> Mutant:
    return Mutant(
        name=name,
        op=unit.op,
        device=unit.device,
        algorithm=unit.algorithm,
        operator=site.operator,
        where=f"{source(site.place[0]).where}:{site.statement.lineno}",
        before=site.before,
        after=site.after,
    )


def _changed(node: ast.AST, edit: Edit) -> ast.AST:
    if isinstance(node, ast.For | ast.While | ast.If):
        node = copy.copy(node)
        node.body, node.orelse = [ast.Pass()], []
    return copy.deepcopy(node, {id(edit[0]): edit[1]})
