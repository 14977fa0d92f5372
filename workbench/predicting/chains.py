"""How long one warp takes by itself: its instructions issue in order, each when its operands are there.

A warp issues at most one instruction a clock, in the order of the machine code; an instruction waits for the results that it
reads. A loop is run twice, and its second iteration stands for all that follow, so that what a loop loads ahead is seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workbench.inspecting.cuda.counting import class_of, width
from workbench.inspecting.cuda.loops import basic_blocks
from workbench.inspecting.cuda.sass import Function, Instruction, registers_written
from workbench.inspecting.natural_loops import natural_loops
from workbench.predicting.gpus import Gpu

ARITHMETIC = 4
"""Clocks until the result of most instructions can be read (Jia et al. and Luo et al., see ``gpus``)."""

BARRIER = 22
"""Clocks at a barrier if no other warp is late (L. Zhang et al., "A Study of Single and Multi-device Synchronization
Methods in Nvidia GPUs", IPDPS 2020)."""

BRANCH = 8
"""Clocks until the first instruction after a jump that is taken."""

RARE = 0.5
"""An instruction that a warp executes less often than this share of what is around it is left out of its chain."""

_LATENCIES = {"tensor": 33, "special": 22, "conversion": 14, "exchange": 23, "constant load": 28, "int64": 5}
_FLOAT64 = {True: 8, False: 48}
"""Of float64, where a multiprocessor has lanes for it, and where two stand in."""

_OPERAND = re.compile(r"(?<![\w.])(U?[RP])(\d+)(\.64)?")
_WRITES_NOTHING = ("ST", "RED", "BRA", "EXIT", "RET", "BAR", "BSSY", "BSYNC", "WARPSYNC", "MEMBAR", "NOP")


@dataclass
class _State:
    """When a warp issues its next instruction, and when each register can be read."""

    clock: float = 0.0
    ready: dict[str, float] = field(default_factory=dict)


def warp_cycles(
    code: Function, executed: Sequence[float], gpu: Gpu, load_cycles: Callable[[Instruction], float]
) -> float:
    """Return the clocks that a warp needs for its instructions if no other warp is in its way.

    Parameters
    ----------
    code : the kernel's machine code
    executed : how often a warp executes each instruction
    gpu : where it runs
    load_cycles : the latency of a load or an atomic operation on global memory
    """
    starts, edges = basic_blocks(code)
    loops = {head: frozenset(body) for head, body in natural_loops(edges).items()}
    blocks = [range(starts[number], starts[number + 1]) for number in range(len(edges))]

    def run(state: _State, inside: frozenset[int], head: int | None, times: float) -> None:
        """Run the blocks of a loop, or of the whole function, once."""
        number, last = min(inside), max(inside)
        while number <= last:
            inner = _loop_at(number, loops, inside, head)
            if inner is not None:
                again(state, loops[inner], inner, executed[blocks[inner][0]] / times)
                number = max(loops[inner])
            elif number in inside and executed[blocks[number][0]] > RARE * times:
                for place in blocks[number]:
                    _issue(state, code.instructions[place], gpu, load_cycles)
            number += 1

    def again(state: _State, body: frozenset[int], head: int, count: float) -> None:
        """Run the body of a loop so many times."""
        if count <= 0:
            return
        times = executed[blocks[head][0]]
        before = state.clock
        run(state, body, head, times)
        if count <= 1:
            shift(state, (count - 1) * (state.clock - before))
            return
        middle = state.clock
        run(state, body, head, times)
        shift(state, (count - 2) * (state.clock - middle))

    def shift(state: _State, later: float) -> None:
        """Move the warp in time, with all that it waits for."""
        state.clock += later
        for name in state.ready:
            state.ready[name] += later

    state = _State()
    run(state, frozenset(range(len(blocks))), None, 1.0)
    return max([state.clock, *state.ready.values()])


def _loop_at(number: int, loops: dict[int, frozenset[int]], inside: frozenset[int], head: int | None) -> int | None:
    """Return the largest loop that begins with a block, of those inside another."""
    own = [each for each, body in loops.items() if min(body) == number and body <= inside and each != head]
    return max(own, key=lambda each: len(loops[each]), default=None)


def _issue(state: _State, instruction: Instruction, gpu: Gpu, load_cycles: Callable[[Instruction], float]) -> None:
    """Let the warp issue an instruction."""
    read, written = operands(instruction)
    state.clock = max([state.clock + 1, *(state.ready.get(name, 0.0) for name in (*read, *written))])
    done = state.clock + latency(instruction, gpu, load_cycles)
    for name in written:
        state.ready[name] = done
    if instruction.base == "BAR":
        state.clock += BARRIER
    elif instruction.base in ("BRA", "BSYNC", "CALL", "RET"):
        state.clock += BRANCH


def latency(instruction: Instruction, gpu: Gpu, load_cycles: Callable[[Instruction], float]) -> float:
    """Return the clocks until the results of an instruction can be read."""
    kind = class_of(instruction)
    if kind in ("global load", "local load", "atomic"):
        return load_cycles(instruction)
    if kind == "shared load":
        return gpu.processor.shared_cycles + width(instruction) / 32 - 1
    if kind == "float64":
        return _FLOAT64[gpu.processor.float64 > 2]
    if instruction.base in ("S2R", "S2UR"):
        return 24
    return _LATENCIES.get(kind, ARITHMETIC)


def operands(instruction: Instruction) -> tuple[set[str], set[str]]:
    """Return the registers and predicates that an instruction reads, and those that it writes."""
    parts = instruction.operands.split(",")
    written = set(registers_written(instruction))
    read = {name for found in _OPERAND.finditer(instruction.predicate) for name in _names(found)}
    silent = instruction.base.startswith(_WRITES_NOTHING)
    for place, part in enumerate(parts):
        for found in _OPERAND.finditer(part):
            names = set(_names(found))
            if place == 0 and not silent and names & (written | {found[0]}) and "[" not in part:
                written |= names
            elif found[1].endswith("P") and place in (1, 2) and not silent and "!" not in part and len(parts) > 3:
                written |= names  # a second predicate, or a carry
                read |= names
            else:
                read |= names
    if instruction.base.startswith("ST") and parts:
        value = _OPERAND.search(parts[-1])
        if value is not None:
            read |= {f"{value[1]}{int(value[2]) + more}" for more in range(width(instruction) // 32)}
    return read, written


def _names(found: re.Match[str]) -> list[str]:
    kind, number, wide = found[1], int(found[2]), found[3]
    return [f"{kind}{number}", f"{kind}{number + 1}"] if wide else [f"{kind}{number}"]
