"""How often each instruction of the machine code is executed, from what the simulator counted by source line.

The compiler unrolls loops, makes several versions of them and merges accesses, so that a line of the source is in several
places of the machine code. The number of executions of every basic block is the solution of a linear program: as many
threads enter a block as leave it; no load, store or barrier of a line is executed more often than in the source, unless
under a predicate, which is issued for other threads too, and no block more often than its lines; among these, the accesses
of the source are covered as far as possible, then the executions of its lines, by the fewest instructions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.inspecting.cuda.counting import class_of, width
from workbench.inspecting.cuda.lines import NOWHERE, location
from workbench.inspecting.cuda.loops import basic_blocks
from workbench.inspecting.cuda.sass import Function, Instruction, Location
from workbench.inspecting.natural_loops import natural_loops

_Limit = tuple[NDArray[Any], float]
"""What an execution of each block counts, and the most that all may count."""

EXCEED = 1e5
"""What exceeding a limit by all of it costs, in shares of all instructions."""

COVER_LINE = 10
"""What covering all executions of a line is worth, in shares of all instructions: a loop without accesses is seen by it."""

COVER = 1e3
"""What covering all accesses of a line is worth, in shares of all instructions."""


@dataclass(frozen=True, kw_only=True)
class LineCount:
    """What threads did on a source line.

    Attributes
    ----------
    executions : of the line, by threads
    moved : bytes of loads and stores, by class of instruction: "global load" for instance; of "barrier" the number
    """

    executions: int
    moved: dict[str, int] = field(default_factory=dict)


def executions(code: Function, lines: Mapping[Location, LineCount], threads: int) -> list[float]:
    """Return how often threads execute each instruction of a kernel, in the order of the instructions.

    Parameters
    ----------
    code : the kernel's machine code
    lines : what the simulator counted, by source line
    threads : the number of threads that were counted

    Raises
    ------
    ValueError
        What was counted and the machine code do not agree.
    """
    from scipy.optimize import linprog

    starts, edges = basic_blocks(code)
    blocks = [code.instructions[first:stop] for first, stop in pairwise(starts)]
    flows = [(-1, 0), *((block, to) for block, following in enumerate(edges) for to in following)]
    flows += [(block, -1) for block, each in enumerate(blocks) if each[-1].base in ("EXIT", "RET") or not edges[block]]
    into, out = np.zeros((len(blocks), len(flows))), np.zeros((len(blocks), len(flows)))
    for place, (source, target) in enumerate(flows):
        if target >= 0:
            into[target, place] += 1
        if source >= 0:
            out[source, place] += 1
    limits = [*_anchors(blocks, lines), *_caps(blocks, lines)]
    anchored = len(limits) - len(_caps(blocks, lines))
    covers = _covers(blocks, edges, lines)
    sizes = np.array([len(each) for each in blocks])
    worth = sizes @ into / sizes.sum()
    for weights, most in limits[:anchored]:
        worth -= COVER * threads * (weights @ into) / max(most, 1)
    most_of = np.array([most for _, most in limits] + [most for _, most in covers])
    per_unit = threads / np.maximum(most_of, 1)
    nothing = np.zeros((0, len(blocks)))
    # a limit may be exceeded, at a price: the compiler moves instructions of a line to where other lines are executed
    above = np.hstack([-np.eye(len(limits)), np.zeros((len(limits), len(covers)))])
    below = np.hstack([np.zeros((len(covers), len(limits))), np.eye(len(covers))])
    found = linprog(
        np.concatenate([worth, EXCEED * per_unit[: len(limits)], -COVER_LINE * per_unit[len(limits) :]]),
        A_ub=np.vstack(
            [
                np.hstack([np.array([weights for weights, _ in limits] or nothing) @ into, above]),
                np.hstack([-np.array([weights for weights, _ in covers] or nothing) @ into, below]),
            ]
        ),
        b_ub=np.concatenate([most_of[: len(limits)], np.zeros(len(covers))]),
        A_eq=np.hstack(
            [np.vstack([into - out, np.eye(1, len(flows))]), np.zeros((len(blocks) + 1, len(limits) + len(covers)))]
        ),
        b_eq=np.array([0.0] * len(blocks) + [threads]),
        bounds=[(0, None)] * (len(flows) + len(limits)) + [(0, most) for _, most in covers],
        method="highs",
    )
    if found.status != 0:
        raise ValueError(f"the executions of the blocks of {code.name} are not known: {found.message}")
    counts = into @ found.x[: len(flows)]
    return [float(counts[block]) for block, each in enumerate(blocks) for _ in each]


def _anchors(blocks: Sequence[Sequence[Instruction]], lines: Mapping[Location, LineCount]) -> list[_Limit]:
    """Return, for the loads, the stores and the barriers of every line, the bytes that each block moves in an execution, and
    the bytes that were moved in all; of barriers their number.
    """
    found: dict[tuple[Location, str], NDArray[Any]] = {}
    for number, block in enumerate(blocks):
        for each in block:
            key = location(each), class_of(each)
            always = not each.predicate  # else it is issued for threads that do not access memory too
            if always and key[0] in lines and key[1] in lines[key[0]].moved:
                found.setdefault(key, np.zeros(len(blocks)))[number] += 1 if key[1] == "barrier" else width(each) / 8
    return [(weights, lines[place].moved[kind]) for (place, kind), weights in found.items()]


def _caps(blocks: Sequence[Sequence[Instruction]], lines: Mapping[Location, LineCount]) -> list[_Limit]:
    """Return, for every block, that it is executed no more often than the line of it that is executed most often."""
    found: list[_Limit] = []
    for number, block in enumerate(blocks):
        known = [lines[place].executions for place in map(location, block) if place in lines]
        if known and all(place in lines for place in map(location, block) if place != NOWHERE):
            weights = np.zeros(len(blocks))
            weights[number] = 1
            found.append((weights, max(known)))
    return found


def _covers(
    blocks: Sequence[Sequence[Instruction]], edges: Sequence[Sequence[int]], lines: Mapping[Location, LineCount]
) -> list[_Limit]:
    """Return, for every line, how many executions of it an execution of each block stands for, and how many there were.

    Of the loops that contain a line, the one with the fewest instructions of it is taken not to be unrolled.
    """
    looped = frozenset().union(*natural_loops(edges).values())
    found: dict[Location, NDArray[Any]] = {}
    for number, block in enumerate(blocks):
        for place in map(location, block):
            if place in lines:
                found.setdefault(place, np.zeros(len(blocks)))[number] += 1
    covers = []
    for place, sizes in found.items():
        inside = [sizes[number] for number in looped if sizes[number]]
        covers.append((sizes / min(inside) if inside else np.minimum(sizes, 1), float(lines[place].executions)))
    return covers
