"""How often each instruction of the machine code is executed, from what the simulator counted by source line.

The compiler unrolls loops, makes several versions of them and merges accesses, so that a line of the source is in several
places of the machine code. The number of executions of every basic block is the solution of a linear program: as many
threads enter a block as leave it; no load or store of a line is executed more often than in the source, unless under a
predicate, which is issued for other threads too, and no block more often than its lines; among these, the accesses of the
source are covered as far as possible, by the fewest instructions.
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

_Limit = tuple[NDArray[Any], float]
"""What an execution of each block counts, and the most that all may count."""

COVER = 1e3
"""What covering all accesses of a line is worth, in shares of all instructions."""


@dataclass(frozen=True, kw_only=True)
class LineCount:
    """What threads did on a source line.

    Attributes
    ----------
    executions : of the line, by threads
    bytes_by_class : of loads and stores, by class of instruction: "global load" for instance
    """

    executions: int
    bytes_by_class: dict[str, int] = field(default_factory=dict)


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
    anchors, caps = _anchors(blocks, lines), _caps(blocks, lines)
    sizes = np.array([len(each) for each in blocks])
    worth = sizes @ into / sizes.sum()
    for weights, most in anchors:
        worth -= COVER * threads * (weights @ into) / max(most, 1)
    found = linprog(
        worth,
        A_ub=np.array([weights @ into for weights, _ in (*anchors, *caps)] or np.zeros((0, len(flows)))),
        b_ub=np.array([most for _, most in (*anchors, *caps)]),
        A_eq=np.vstack([into - out, np.eye(1, len(flows))]),
        b_eq=np.array([0.0] * len(blocks) + [threads]),
        method="highs",
    )
    if found.status != 0:
        raise ValueError(f"no executions of the blocks of {code.name} agree with what was counted: {found.message}")
    counts = into @ found.x
    return [float(counts[block]) for block, each in enumerate(blocks) for _ in each]


def _anchors(blocks: Sequence[Sequence[Instruction]], lines: Mapping[Location, LineCount]) -> list[_Limit]:
    """Return, for the loads and for the stores of every line, the bytes that each block moves in an execution, and the bytes
    that were moved in all.
    """
    found: dict[tuple[Location, str], NDArray[Any]] = {}
    for number, block in enumerate(blocks):
        for each in block:
            key = location(each), class_of(each)
            always = not each.predicate  # else it is issued for threads that do not access memory too
            if always and key[0] in lines and key[1] in lines[key[0]].bytes_by_class:
                found.setdefault(key, np.zeros(len(blocks)))[number] += width(each) / 8
    return [(weights, lines[place].bytes_by_class[kind]) for (place, kind), weights in found.items()]


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
