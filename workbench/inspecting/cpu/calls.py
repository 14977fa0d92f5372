"""The names of the functions that Numba's code calls through registers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from workbench.inspecting.cpu import x86
from workbench.inspecting.cpu.assembly import Function, Instruction
from workbench.inspecting.cpu.debug_lines import Chain

Kind = Literal["allocation", "refcount", "threads", "object", "bulk", "simd", "other"]

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("allocation", re.compile(r"^(NRT_(MemInfo_\w*alloc\w*|Allocate\w*|Reallocate)|malloc|calloc)", re.IGNORECASE)),
    ("refcount", re.compile(r"^NRT_(incref|decref|MemInfo_call_dtor|\w*acquire|\w*release|Free)", re.IGNORECASE)),
    (
        "threads",  # the GIL is released for them: that handles no objects
        re.compile(
            r"^(PyGILState_|PyEval_(Save|Restore)Thread|numba_gil_|numba_parallel_for|do_scheduling_|get_sched|\w+locate_sched"
            r"|[gs]et_(num_threads|parallel_chunksize))"
        ),
    ),
    ("object", re.compile(r"^(_?Py[A-Z_]|numba_gil_|numba_unpickle|numba_do_raise)")),
    ("bulk", re.compile(r"^mem(set|cpy|move)$")),
    ("simd", re.compile(r"^(__svml_\w+[248]\w*|_ZGV\w+)$")),
)


_LOCAL = "_3clocals_3e"
"""What Numba makes of "<locals>" in a name."""


def kind_of_call(name: str) -> Kind:
    """Return the kind of work that a called function does."""
    return next((kind for kind, pattern in _KINDS if pattern.match(name)), "other")


def plain_name(name: str) -> str:
    """Return the Python name of a compiled function, of the outer one for a local function; other names unchanged."""
    mangled = re.match(r"^_ZN(.*)", name)
    if not mangled:
        return name
    rest, parts = mangled[1], []
    while found := re.match(r"(\d+)(.*)", rest):
        length = int(found[1])
        parts.append(found[2][:length])
        rest = found[2][length:]
    local = parts.index(_LOCAL) if _LOCAL in parts[1:] else len(parts)
    return parts[local - 1] if parts else name


class Calls:
    """Finds the targets of a function's calls.

    Numba's code loads the address of a called function into a register, often outside the loop, or onto the stack. The last
    name that a register held, in code order, counts, whatever else it held since: no call goes to a number.
    """

    def __init__(self, function: Function, others: Mapping[str, Calls] | None = None) -> None:
        """Read a function; ``others`` has the calls of the functions that it may call, by their names."""
        self._others = {} if others is None else others
        self._known: dict[Kind, Chain | None] = {}
        self._names: dict[int, str] = {}
        self._calls: list[Instruction] = []
        held: dict[str, str] = {}
        slots: dict[x86.MemoryOperand, str] = {}
        for instruction in (each for block in function.blocks for each in block.instructions):
            if instruction.name.startswith("call"):
                self._names[id(instruction)] = _called(instruction, held, slots)
                self._calls.append(instruction)
                continue
            place = x86.memory_of(instruction)
            source = instruction.operands[0] if instruction.operands else ""
            name = held.get(x86.register(source) or "")
            if instruction.name.startswith("movabs") and not re.match(r"^\$-?\d", source):
                held[x86.register(instruction.operands[-1]) or ""] = source.strip('$"')
            elif instruction.name == "movq" and place is not None and x86.writes_memory(instruction) and name:
                slots[place] = name
            elif instruction.name == "movq" and place is not None and place in slots:
                held[x86.register(instruction.operands[-1]) or ""] = slots[place]
            elif instruction.name == "movq" and name:
                held[x86.register(instruction.operands[-1]) or ""] = name

    @property
    def names(self) -> set[str]:
        """The names of all called functions."""
        return set(self._names.values())

    def name(self, instruction: Instruction) -> str:
        """Return the name of the function that an instruction calls; empty where it is unknown."""
        return self._names.get(id(instruction), "")

    def chain_of(self, instruction: Instruction, kind: Kind) -> Chain | None:
        """Return the places of a call that does a kind of work, itself or in a function that it calls; None for others."""
        name = self.name(instruction)
        if kind_of_call(name) == kind:
            return instruction.chain
        inside = self._others[name]._chain_to(kind) if name in self._others else None
        return None if inside is None else (*inside, *instruction.chain)

    def _chain_to(self, kind: Kind) -> Chain | None:
        """Return the places of the function's first call that does a kind of work; None where there is none."""
        if kind not in self._known:
            self._known[kind] = None  # while it is searched for, in a recursion
            chains = (self.chain_of(each, kind) for each in self._calls)
            self._known[kind] = next((chain for chain in chains if chain is not None), None)
        return self._known[kind]


def _called(instruction: Instruction, held: dict[str, str], slots: dict[x86.MemoryOperand, str]) -> str:
    target = instruction.operands[0]
    if not target.startswith("*"):
        return target.strip('"').removesuffix("@PLT")
    place = x86.memory(target[1:])
    return slots.get(place, "") if place is not None else held.get(x86.register(target[1:]) or "", "")
