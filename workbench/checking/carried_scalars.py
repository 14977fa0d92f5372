"""Variables that a ``prange`` loop carries from one iteration to another.

A variable that is assigned in a parallel loop is private to each iteration. One that an iteration reads before it assigns
it has the value of another iteration, which may not have run yet. Only reductions may do so: Numba gives every
thread a partial result and combines them after the loop. What is assigned is lost after the loop, or it is what any thread
has left.
"""

from collections import defaultdict
from typing import Literal, NamedTuple

VariableAccess = Literal["read", "assignment", "reduction"]


class Access(NamedTuple):
    """What an iteration does with a variable, and the line."""

    kind: VariableAccess
    iteration: int
    line: int


class CarriedScalars:
    """What the iterations of one parallel loop did with the variables of its function.

    For every variable and kind of access (for reductions, by operator) the first access is kept, and the first by another
    iteration. An iteration that has assigned a variable owns it: what it does afterwards concerns no other.

    Attributes
    ----------
    assigned : the first assignment of every variable that is assigned
    """

    def __init__(self) -> None:
        self.assigned: dict[str, Access] = {}
        self._owners: dict[str, int] = {}
        self._seen: dict[str, dict[str, list[Access]]] = defaultdict(dict)

    def record(self, name: str, access: Access, operator: str = "") -> Access | None:
        """Record an access; return one by another iteration with which it must not go together."""
        if access.kind == "assignment":
            self._owners[name] = access.iteration
            self.assigned.setdefault(name, access)
        elif self._owners.get(name) == access.iteration:
            return None
        seen = self._seen[name]
        same = seen.setdefault(operator or access.kind, [])
        if not same or (len(same) == 1 and same[0].iteration != access.iteration):
            same.append(access)
        for others in seen.values():
            if others is not same:
                for other in others:
                    if other.iteration != access.iteration:
                        return other
        return None
