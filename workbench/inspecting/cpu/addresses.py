"""How the addresses in a loop change from one iteration to the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from workbench.inspecting.cpu import x86
from workbench.inspecting.cpu.assembly import Instruction
from workbench.inspecting.cpu.loops import Loop


@dataclass(frozen=True)
class Change:
    """The amount added to a number from one iteration to the next.

    Attributes
    ----------
    step : the constant part
    runtime : whether a loop-invariant amount, known only at run time, is added as well
    loaded : whether it depends on values that the loop loads
    known : whether any of this is known
    """

    step: int = 0
    runtime: bool = False
    loaded: bool = False
    known: bool = True

    @property
    def none(self) -> bool:
        """Whether the number does not change."""
        return self == Change()

    def plus(self, other: Change) -> Change:
        """Return the change of a sum."""
        return Change(
            self.step + other.step,
            self.runtime or other.runtime,
            self.loaded or other.loaded,
            self.known and other.known,
        )

    def times(self, factor: int | None) -> Change:
        """Return the change of a product with a loop-invariant number; None where it is known only at run time."""
        if self.none or factor is not None:
            return replace(self, step=self.step * (factor or 0))
        return replace(self, step=0, runtime=True)


UNKNOWN = Change(known=False)
LOADED = Change(loaded=True)


@dataclass(frozen=True)
class Access:
    """A memory operand of a loop: the instruction, its width in bytes, and how its address changes."""

    instruction: Instruction
    memory: x86.MemoryOperand
    width: int
    change: Change
    store: bool


@dataclass(frozen=True)
class _Value:
    """A register's value as that of a register when the iteration began, plus a sum; no root: a loop-invariant number."""

    root: str | None
    step: int = 0
    runtime: bool = False


def accesses(loop: Loop) -> list[Access]:
    """Return the memory operands of an innermost loop, except constants and the stack."""
    found = []
    for instruction, walk in walk_through(loop):
        place = x86.memory_of(instruction)
        gathers = x86.is_gather(instruction)
        if place is None or (place.constant and not gathers) or place.on_stack or instruction.name.startswith("call"):
            continue
        change = walk.change_of(place)
        if gathers:
            change = _from_lane(walk.of(x86.gather_index(instruction))).plus(Change(runtime=True))
        store = x86.writes_memory(instruction)
        found.append(Access(instruction, place, x86.accessed_bytes(instruction), change, store))
    return found


def walk_through(loop: Loop) -> Iterator[tuple[Instruction, Walk]]:
    """Yield each instruction of an iteration, and what is known about the registers before it; block by block."""
    walk = Walk(loop)
    for number in walk.order:
        walk.enter(number)
        for instruction in loop.function.blocks[number].instructions:
            yield instruction, walk
            walk.step(instruction)
        walk.leave(number)


class Walk:
    """Steps through an iteration and tracks how much each register changes from one iteration to the next."""

    def __init__(self, loop: Loop) -> None:
        instructions = loop.instructions()
        self.order = loop.own_order()
        self.written = {name for instruction in instructions for name in x86.writes(instruction)}
        self.stored = {
            place
            for instruction in instructions
            if x86.writes_memory(instruction) and (place := x86.memory_of(instruction)) is not None and place.on_stack
        }
        self._loop = loop
        self._carried = _carried(loop, self.order, self.written)
        self._left: dict[int, dict[str, Change]] = {}
        self.changes: dict[str, Change] = {}

    def enter(self, number: int) -> None:
        """Begin a block, after those before it: a register that they leave with different changes has none known."""
        if number == self._loop.header:
            self.changes = dict(self._carried)
            return
        before = [self._left.get(each) for each in self._loop.predecessors(number)]
        self.changes = _agreed([each for each in before if each is not None], self.written)

    def leave(self, number: int) -> None:
        """End a block."""
        self._left[number] = self.changes

    def of(self, name: str | None) -> Change:
        """Return the change of a register."""
        if name is None or name == "rip" or name not in self.written:
            return Change()
        return self.changes.get(name, UNKNOWN)

    def change_of(self, place: x86.MemoryOperand) -> Change:
        """Return the change of an address."""
        return self.of(place.base).plus(self.of(place.index).times(place.scale))

    def step(self, instruction: Instruction) -> None:
        """Record what an instruction does to the registers."""
        for name in x86.writes(instruction):
            self.changes[name] = self._result(instruction, name)

    def _result(self, instruction: Instruction, written: str) -> Change:
        name, operands = instruction.name, instruction.operands
        if name.startswith("call") or re.match(r"^i?div|^mul", name) or not operands:
            return UNKNOWN
        if x86.is_zeroing(instruction):
            return Change()
        place = x86.memory_of(instruction)
        if place is not None:
            source = self._loaded(place)
        elif name.startswith("lea"):
            address = x86.memory(operands[0])
            return UNKNOWN if address is None else self.change_of(address)
        else:
            source = self.of(x86.register(operands[0]))
        if re.match(r"^v?mov(?!h|l[hp])|^cltq|^kmov", name):
            crosses = written[0] != "v" and (x86.register(operands[0]) or "").startswith("v")
            return _from_lane(source) if crosses else source
        number = _immediate(operands[0])
        own = self.of(x86.register(operands[-1]))
        if number is not None:
            return _by_number(name, number, self.of(x86.register(operands[-2])) if len(operands) == 3 else own, own)
        if name.startswith("add"):
            return own.plus(source)
        if name.startswith("sub"):
            return own.plus(source.times(-1))
        if name.startswith("neg"):
            return own.times(-1)
        if name.startswith("inc") or name.startswith("dec"):
            return own
        if name.startswith("imul") and len(operands) == 2 and (own.none or source.none):
            return (source if own.none else own).times(None)
        inputs = [self.of(each) for each in x86.reads(instruction)] + ([source] if place is not None else [])
        if all(each.none for each in inputs):
            return Change()
        if name.startswith(("vpextr", "pextr")):
            return _from_lane(self.of(x86.register(operands[1])))
        return LOADED if any(each.loaded for each in inputs) else UNKNOWN

    def _loaded(self, place: x86.MemoryOperand) -> Change:
        if place in self.stored:
            return UNKNOWN
        change = self.change_of(place)
        if change.none:
            return Change()
        return LOADED if change.known else UNKNOWN


def _from_lane(lane: Change) -> Change:
    """Return the change of an address taken from a SIMD register: loaded, or counted in steps that are not an element's."""
    return lane if lane.none or lane.loaded else Change(runtime=True)


def _by_number(name: str, number: int, source: Change, own: Change) -> Change:
    """Return the change of a result with an immediate operand."""
    if name.startswith(("add", "sub")):
        return own
    if name.startswith("sar") and number in (31, 63):
        return Change()  # the sign of an index, by which Numba detects indices from the end
    if name.startswith("imul"):
        return source.times(number)
    if name.startswith(("shl", "sal")):
        return own.times(1 << number)
    return Change() if source.none else replace(source, known=False)


def _agreed(states: Sequence[Mapping[str, Change]], written: Iterable[str]) -> dict[str, Change]:
    """Return what several ways to a block agree on."""
    agreed = {}
    for name in written:
        found = {state.get(name, UNKNOWN) for state in states}
        agreed[name] = found.pop() if len(found) == 1 else LOADED if LOADED in found else UNKNOWN
    return agreed


def _carried(loop: Loop, order: Sequence[int], written: set[str]) -> dict[str, Change]:
    """Return the changes of registers carried from one iteration to the next: loop-invariant increases."""
    left: dict[int, dict[str, _Value | None]] = {}
    for number in order:
        before = [left[each] for each in loop.predecessors(number) if each in left]
        known = number == loop.header or before
        values = _merged(() if number == loop.header else before) if known else dict.fromkeys(written)

        def value(name: str | None, values: Mapping[str, _Value | None] = values) -> _Value | None:
            if name is None or name not in written:
                return _Value(None, runtime=True)
            return values.get(name, _Value(name))

        for instruction in loop.function.blocks[number].instructions:
            for name in x86.writes(instruction):
                values[name] = _sum(instruction, value)
        left[number] = values
    ends = _merged([left[each] for each in loop.predecessors(loop.header) if each in left])
    return {name: Change(end.step, end.runtime) for name, end in ends.items() if end is not None and end.root == name}


def _merged(states: Sequence[Mapping[str, _Value | None]]) -> dict[str, _Value | None]:
    """Return the values after one of several ways; a register that only some of them move counts as moved."""
    merged: dict[str, _Value | None] = {}
    for name in {name for state in states for name in state}:
        found = {state.get(name, _Value(name)) for state in states}
        moved = found - {_Value(name)}
        merged[name] = next(iter(moved), _Value(name)) if len(moved) <= 1 else None
    return merged


def _sum(instruction: Instruction, value: Callable[[str | None], _Value | None]) -> _Value | None:
    """Return the result of an instruction that adds or moves numbers; None for all others."""
    name, operands = instruction.name, instruction.operands
    if not operands or x86.is_zeroing(instruction):
        return None
    own, number = value(x86.register(operands[-1])), _immediate(operands[0])
    if re.match(r"^(inc|dec)[lq]$", name) and own:
        return replace(own, step=own.step + (1 if name.startswith("inc") else -1))
    if re.match(r"^(add|sub)[lq]$", name) and own:
        sign, place = 1 if name.startswith("add") else -1, x86.memory(operands[0])
        if number is not None:
            return replace(own, step=own.step + sign * number)
        if place is not None:
            return replace(own, runtime=True) if place.on_stack else None
        return _added(own, value(x86.register(operands[0])), sign)
    if re.match(r"^mov[lq]$", name) and x86.register(operands[0]):
        return value(x86.register(operands[0]))
    if re.match(r"^lea[lq]$", name) and (place := x86.memory(operands[0])) is not None and not place.symbol:
        base = _Value(None) if place.base is None else value(place.base)
        index = _Value(None) if place.index is None else value(place.index)
        if base is None or index is None or (index.root and place.scale != 1):
            return None
        return _added(replace(base, step=base.step + place.displacement), index, 1)
    return None


def _added(left: _Value, right: _Value | None, sign: int) -> _Value | None:
    if right is None or (left.root and right.root) or (sign < 0 and right.root):
        return None
    return _Value(left.root or right.root, left.step + sign * right.step, left.runtime or right.runtime)


def _immediate(operand: str) -> int | None:
    if not operand.startswith("$"):
        return None
    try:
        return int(operand[1:], 0)
    except ValueError:
        return None
