"""Natural loops of a control-flow graph.

Method: dominators by iteration; a natural loop for every edge back to a dominator, those of one header taken together
(Aho, Lam, Sethi, Ullman, Compilers, section 9.6).
"""

from collections.abc import Sequence

Graph = Sequence[Sequence[int]]
"""The blocks that may follow each block; block 0 is the entry."""


def natural_loops(graph: Graph) -> dict[int, set[int]]:
    """Return the blocks of each natural loop, those of loops inside it too, by its header.

    A loop begins and ends in blocks that are reached from block 0. Its body may have others: the graph has no jumps
    through a table.
    """
    order = _reverse_postorder(graph)
    predecessors: list[list[int]] = [[] for _ in graph]
    for block, followers in enumerate(graph):
        for follower in followers:
            predecessors[follower].append(block)
    dominators = _dominators(predecessors, order)
    loops: dict[int, set[int]] = {}
    for block in order:
        for follower in graph[block]:
            if dominators[block] >> follower & 1:
                _add_body(loops.setdefault(follower, {follower}), block, predecessors)
    return loops


def _add_body(body: set[int], latch: int, predecessors: Graph) -> None:
    """Add the blocks from which ``latch`` is reached without passing the header, which is in ``body``."""
    waiting = [latch]
    while waiting:
        block = waiting.pop()
        if block not in body:
            body.add(block)
            waiting += predecessors[block]


def _reverse_postorder(graph: Graph) -> list[int]:
    """Return the blocks that are reached, each before those that follow it, back edges apart."""
    seen, order, waiting = {0}, [], [(0, iter(graph[0]))]
    while waiting:
        block, followers = waiting[-1]
        follower = next((each for each in followers if each not in seen), None)
        if follower is None:
            order.append(block)
            waiting.pop()
        else:
            seen.add(follower)
            waiting.append((follower, iter(graph[follower])))
    return order[::-1]


def _dominators(predecessors: Graph, order: list[int]) -> list[int]:
    """Return for each block the set of blocks that every path to it passes, as the bits of a number."""
    everything = (1 << len(predecessors)) - 1
    dominators = [everything] * len(predecessors)
    dominators[0] = 1
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            common = everything
            for before in predecessors[block]:
                common &= dominators[before]
            common |= 1 << block
            changed |= common != dominators[block]
            dominators[block] = common
    return dominators
