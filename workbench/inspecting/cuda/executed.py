"""How often each instruction of the machine code is executed, from what the simulator counted by source line.

The compiler unrolls loops, makes several versions of them and merges accesses, so that a line of the source is in several
places of the machine code. The number of executions of every basic block is the solution of a linear program: as many
threads enter a block as leave it; no load, store or barrier of a line is executed more often than in the source, unless
under a predicate, which is issued for other threads too, and no block more often than its lines; among these, the accesses
of the source are covered as far as possible, then the executions of its lines, by the fewest instructions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from math import gcd
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

EXCEED_LINE = 1e2
"""What executing a block more often than its lines costs, in the same unit as the following."""

EXCEED = 1e5
"""What exceeding a limit by all of it costs, in executions of all instructions as often as the most frequent line."""

COVER_LINE = 10
"""What covering all executions of a line is worth, in the same unit: a loop without accesses is seen by it."""

COVER = 1e3
"""What covering all accesses of a line is worth, in the same unit."""


NO_PLACE = ("BSSY", "BSYNC", "NOP", "BRA")
"""Instructions whose line is that of the code before or after them."""

ACCESSES = ("global load", "global store", "shared load", "shared store")

WORK = ("float32", "float64", "special", *ACCESSES)
"""Classes of instructions of which an unrolled loop has as many more as it does more."""


@dataclass(frozen=True, kw_only=True)
class LineCount:
    """What threads did on a source line.

    Attributes
    ----------
    executions : of the line, by threads
    moved : bytes of loads and stores, by class of instruction: "global load" for instance; of "barrier" the number
    rounds : of a line in a loop, the most executions of the head of a loop around it for each time that it is entered
    """

    executions: int
    moved: dict[str, int] = field(default_factory=dict)
    rounds: float = 0.0


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
        The linear program has no solution.
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
    anchors = [(weights @ into, most) for weights, most in _anchors(blocks, lines)]
    caps = [(weights @ into, most) for weights, most in _caps(blocks, lines)]
    entered = [
        (into[head] - rounds * _entries(flows, head, body), 0.0) for head, body, rounds in _loops(blocks, edges, lines)
    ]
    limits = [*anchors, *entered, *caps]
    covers = [(weights @ into, most) for weights, most in _covers(blocks, edges, lines)]
    # executions by a thread on average, and prices in instructions, so that all numbers are of a size that solvers like
    sizes = np.array([len(each) for each in blocks])
    most_of = np.array([most for _, most in (*limits, *covers)]) / threads
    unit = sizes.sum() * max([1.0, *(each.executions / threads for each in lines.values())])
    per_unit = unit / np.where(most_of > 0, most_of, 1)
    worth = sizes @ into - COVER * sum(
        (weights * price for (weights, _), price in zip(anchors, per_unit, strict=False)), np.zeros(len(flows))
    )
    prices = np.array([EXCEED] * len([*anchors, *entered]) + [EXCEED_LINE] * len(caps) + [-COVER_LINE] * len(covers))
    # a limit may be exceeded, at a price: the compiler moves instructions of a line to where other lines are executed
    count, above, below = len(flows), len(limits), len(covers)
    rows = np.zeros((above + below, count + above + below))
    for place, (weights, _) in enumerate(limits):
        rows[place, :count], rows[place, count + place] = weights, -1
    for place, (weights, _) in enumerate(covers, above):
        rows[place, :count], rows[place, count + place] = -weights, 1
    conserved = np.zeros((len(blocks) + 1, rows.shape[1]))
    conserved[:-1, :count], conserved[-1, 0] = into - out, 1
    problem = {
        "c": np.concatenate([worth, prices * per_unit]),
        "A_ub": rows,
        "b_ub": np.concatenate([most_of[:above], np.zeros(below)]),
        "A_eq": conserved,
        "b_eq": np.array([0.0] * len(blocks) + [1.0]),
        "bounds": [(0, None)] * (count + above) + [(0, most) for most in most_of[above:]],
    }
    # by the simplex method, or where it gives up over numbers of very different sizes, by an interior point
    tries = (linprog(method=method, **problem) for method in ("highs", "highs-ipm"))
    found = next((each for each in tries if each.status == 0), None)
    if found is None:
        raise ValueError(f"the executions of the blocks of {code.name} are not known: no solver finds them")
    counts = threads * (into @ found.x[:count])
    return [float(counts[block]) for block, each in enumerate(blocks) for _ in each]


def _entries(flows: Sequence[tuple[int, int]], head: int, body: Set[int]) -> NDArray[Any]:
    """Return the flows that enter a loop from outside."""
    return np.array([float(target == head and source not in body) for source, target in flows])


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
    """Return, for every block, that it is executed no more often than the line of it that is executed most often.

    A block that is all for lines which no thread reached, or accesses memory for one, is not executed.
    """
    found: list[_Limit] = []
    for number, block in enumerate(blocks):
        own = [each for each in block if each.base not in NO_PLACE]
        unreached = [each for each in own if any(_is_unreached(place, lines) for place in each.stack)]
        accesses = [each for each in unreached if class_of(each) in ACCESSES and not each.predicate]
        is_unreached = bool(accesses) or len(unreached) == len(own) > 0
        places = {location(each) for each in own} - {NOWHERE}
        known = [lines[place].executions for place in places if place in lines]
        if is_unreached or (known and len(known) == len(places)):
            weights = np.zeros(len(blocks))
            weights[number] = 1
            found.append((weights, 0 if is_unreached else max(known)))
    return found


def _is_unreached(place: Location, lines: Mapping[Location, LineCount]) -> bool:
    return place in lines and lines[place].executions == 0


def _loops(
    blocks: Sequence[Sequence[Instruction]], edges: Sequence[Sequence[int]], lines: Mapping[Location, LineCount]
) -> Iterator[tuple[int, Set[int], float]]:
    """Return loops with their heads, and the most that their head is executed for each time that they are entered.

    It is that of the loops in the source around their lines; loops without such a line are left out.
    """
    for head, body in natural_loops(edges).items():
        places = {location(each) for number in body for each in blocks[number]}
        rounds = max((lines[place].rounds for place in places if place in lines), default=0.0)
        if rounds:
            yield head, body, rounds


def _covers(
    blocks: Sequence[Sequence[Instruction]], edges: Sequence[Sequence[int]], lines: Mapping[Location, LineCount]
) -> list[_Limit]:
    """Return, for every line, how many executions of it an execution of each block stands for, and how many there were.

    Of the innermost loops that do the same on a line, in floating point or memory, the one with the fewest such instructions
    is taken not to be unrolled, another to be unrolled as often as it has more.
    """
    bodies = natural_loops(edges).values()
    innermost = [sorted(body) for body in bodies if not any(other < body for other in bodies)]
    found: dict[Location, NDArray[Any]] = {}
    work: dict[Location, dict[str, NDArray[Any]]] = {}
    for number, block in enumerate(blocks):
        for each in block:
            place = location(each)
            if place in lines and lines[place].executions:
                found.setdefault(place, np.zeros(len(blocks)))[number] = 1
                if class_of(each) in WORK:
                    kinds = work.setdefault(place, {})
                    kinds.setdefault(each.base, np.zeros(len(blocks), np.int64))[number] += 1
    unrolled = [1] * len(innermost)
    for place, kinds in work.items():
        copies = [[int(sizes[body].sum()) for sizes in kinds.values()] for body in innermost]
        loops = [number for number, own in enumerate(copies) if any(own)]
        fewest = [
            min((copies[number][kind] for number in loops if copies[number][kind]), default=1)
            for kind in range(len(kinds))
        ]
        for number in loops:
            if len(loops) > 1:
                times = max(own // least for own, least in zip(copies[number], fewest, strict=True))
            else:
                outside = [int(sizes.sum()) - own for sizes, own in zip(kinds.values(), copies[number], strict=True)]
                times = _copies(round(lines[place].rounds) - 1, copies[number], outside)
            unrolled[number] = max(unrolled[number], times)
    covers = []
    for place, weights in found.items():
        for body, times in zip(innermost, unrolled, strict=True):
            weights[body] *= times
        covers.append((weights, float(lines[place].executions)))
    return covers


def _copies(rounds: int, inside: Sequence[int], outside: Sequence[int]) -> int:
    """Return how often a loop is unrolled that has no other loop for the rest of its rounds.

    It is the largest number of copies for which every kind of instruction of a line is a multiple of it in the loop, and
    outside as frequent as the rest of the rounds needs.

    Parameters
    ----------
    rounds : in the source
    inside, outside : instructions of the line, by kind, in the loop and elsewhere
    """
    if rounds < 1:
        return 1
    most = gcd(*(each for each in inside if each))
    divisors = [times for times in range(most, 0, -1) if most % times == 0]
    for times in divisors:
        if all(rounds % times * own // times == rest for own, rest in zip(inside, outside, strict=True)):
            return times
    return next(times for times in divisors if rounds % times == 0)
