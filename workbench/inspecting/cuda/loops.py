"""The loops of a function: natural loops of its control flow graph, and how they nest.

The call of a subroutine returns to the next instruction. A call of a label in the same function is a jump, with which ptxas
leaves loops on 8.0. ``BSSY`` and ``BSYNC`` keep the threads of a warp together and are not jumps.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from workbench.inspecting.cuda.sass import Function, Instruction
from workbench.inspecting.natural_loops import natural_loops
from workbench.inspecting.source_loops import deepest_loop

_JUMPS = ("BRA", "JMP", "BRX", "JMX", "EXIT", "RET", "KILL")


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One loop.

    Attributes
    ----------
    instructions : those of its body, inner loops included, in the order of their addresses
    depth : nesting depth, 1 for an outermost loop
    innermost : whether it contains no other loop
    """

    instructions: tuple[Instruction, ...]
    depth: int
    innermost: bool

    @property
    def size(self) -> int:
        """The number of instructions in its body."""
        return len(self.instructions)


def find_loops(function: Function) -> tuple[Loop, ...]:
    """Return a function's loops, in the order of their first instructions; the padding after its end is not a loop."""
    starts, edges = basic_blocks(function)
    bodies = natural_loops(edges)
    loops = []
    for _, body in sorted(bodies.items()):
        loops.append(
            Loop(
                instructions=tuple(
                    instruction
                    for block in sorted(body)
                    for instruction in function.instructions[starts[block] : starts[block + 1]]
                ),
                depth=1 + sum(body < other for other in bodies.values()),
                innermost=not any(other < body for other in bodies.values()),
            )
        )
    return tuple(loops)


def without_skipped(loops: tuple[Loop, ...]) -> tuple[Loop, ...]:
    """Mark a loop that omits its inner loops as not innermost.

    The compiler makes a second copy of a loop for the case that the inner loops have no iterations. That copy contains
    no loop, but its body is not the inner loop of the source.
    """
    return tuple(replace(loop, innermost=loop.innermost and not _skips(loop)) for loop in loops)


def _skips(loop: Loop) -> bool:
    """Return whether the deepest source loop that a loop's instructions come from contains another."""
    deepest = deepest_loop(place for each in loop.instructions for place in each.stack)
    return deepest is not None and not deepest.innermost


def hottest(loops: Iterable[Loop]) -> Loop | None:
    """Return the innermost loop that is nested deepest; on a tie the longest, the unrolled one."""
    return max((loop for loop in loops if loop.innermost), key=lambda loop: (loop.depth, loop.size), default=None)


def basic_blocks(function: Function) -> tuple[list[int], list[list[int]]]:
    """Cut a function into basic blocks: where each starts (and where the last ends), and which blocks may follow it."""
    instructions, labels = function.instructions, function.labels
    leaders = {0} | set(labels.values())
    for position, instruction in enumerate(instructions):
        if _jumps(instruction, labels):
            leaders.add(position + 1)
    starts = sorted(place for place in leaders if place < len(instructions))
    block_at = {start: number for number, start in enumerate(starts)}
    starts.append(len(instructions))
    edges: list[list[int]] = []
    for number in range(len(starts) - 1):
        last = instructions[starts[number + 1] - 1]
        following = [] if _leaves(last, labels) or number + 2 == len(starts) else [number + 1]
        target = labels.get(last.target or "") if _jumps(last, labels) else None
        if target in block_at:
            following.append(block_at[target])
        edges.append(following)
    return starts, edges


def _jumps(instruction: Instruction, labels: Mapping[str, int]) -> bool:
    return instruction.base in _JUMPS or (instruction.base == "CALL" and instruction.target in labels)


def _leaves(instruction: Instruction, labels: Mapping[str, int]) -> bool:
    """Return whether control never reaches the next instruction."""
    if not _jumps(instruction, labels) or instruction.predicate:
        return False
    # a branch may carry its condition as its first operand: BRA.U !UP0, `(.L_x_0)
    return not (instruction.base == "BRA" and instruction.operands.lstrip().startswith(("P", "!P", "U", "!U", "~")))
