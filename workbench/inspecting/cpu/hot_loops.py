"""The loops that a kernel spends its time in, each once: without remainders and versions for special cases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from workbench.inspecting.cpu import x86
from workbench.inspecting.cpu.addresses import Access, accesses
from workbench.inspecting.cpu.assembly import Function, Instruction, parse
from workbench.inspecting.cpu.calls import Calls, kind_of_call
from workbench.inspecting.cpu.compiled_code import Code, Compiled
from workbench.inspecting.cpu.debug_lines import Chain, Place
from workbench.inspecting.cpu.loops import Loop, find_loops
from workbench.system.python_code import is_library_file

_WRAPPERS = re.compile(r'^"?(_ZN7cpython|cfunc\.|NRT_)')
"""The functions between Python and a kernel."""

_PARALLEL = "parfor_lowering.py"
"""The file of Numba with the code around parallel loops."""


@dataclass(eq=False)
class HotLoop:
    """An innermost loop of the machine code.

    Attributes
    ----------
    loop, calls : its code, and the names of what its function calls
    raises : by the name of a constant, the exception that it holds
    called_from : the place where its function is called, if that belongs to a library
    others : its other versions: the remainder of a SIMD loop, the code for odd sizes
    """

    loop: Loop
    calls: Calls
    raises: Mapping[str, str]
    called_from: Chain = ()
    others: list[HotLoop] = field(default_factory=list)

    @cached_property
    def instructions(self) -> list[Instruction]:
        """Its instructions, in code order."""
        return self.loop.instructions()

    @cached_property
    def accesses(self) -> list[Access]:
        """Its memory accesses, except constants and the stack."""
        return accesses(self.loop)

    @cached_property
    def bits(self) -> int:
        """The SIMD width in bits; 0 for scalar code."""
        return max((max(x86.vector_bits(each), x86.moved_bits(each)) for each in self.instructions), default=0)

    @cached_property
    def element_bytes(self) -> int:
        """The size of the floating-point numbers that it computes with; 0 if there are none."""
        forms = [found[1] for each in self.instructions if (found := x86.float_arithmetic(each))]
        return 0 if not forms else 8 if sum(form[1] == "d" for form in forms) * 2 > len(forms) else 4

    @cached_property
    def fma_share(self) -> float | None:
        """The share of FMA in its floating-point instructions; None without any."""
        arithmetic = [each for each in self.instructions if x86.float_arithmetic(each)]
        return sum(map(x86.is_fma, arithmetic)) / len(arithmetic) if arithmetic else None

    @cached_property
    def has_runtime_stride(self) -> bool:
        """Whether an address changes by an amount known only at run time."""
        return any(access.change.runtime for access in self.accesses)

    @cached_property
    def divides_integers(self) -> bool:
        """Whether it divides integers."""
        return any(map(x86.is_integer_division, self.instructions))

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The user's lines that it computes, in order."""
        found = {place for each in self.instructions if (place := self.place_of(each)) is not None}
        own = {place for place in found if not _is_library(place)}
        return tuple(sorted(own or found))

    @property
    def first(self) -> Instruction:
        """The instruction of its first line."""
        of_line = [each for each in self.instructions if self.place_of(each) == self.places[0]]
        return of_line[0] if of_line else self.instructions[0]

    @property
    def depth(self) -> int:
        """Its nesting depth in the source, 1 for an outermost loop."""
        return self.loop.depth - self.loop.function.name.startswith("__gufunc__")

    def place_of(self, instruction: Instruction) -> Place | None:
        """Return the innermost line of an instruction that is not a library's."""
        return user_place((*instruction.chain, *self.called_from))

    @property
    def is_of_user(self) -> bool:
        """Whether it is of the user's lines; in a library's function, at least for arithmetic that the user asked for."""
        own = [place for place in self.places if not _is_library(place)]
        if self._is_around_parallel:
            return False
        return bool(own) and (not self.called_from or self.element_bytes > 0)

    @property
    def _is_around_parallel(self) -> bool:
        """Whether it is Numba's own around a parallel loop: over a thread's parts of it, or over the threads' results."""
        name = self.loop.function.name
        over_parts = self.loop.depth == 1 and name.startswith("__gufunc__") and "__numba_parfor" in name
        first = [each.chain[0] for each in self.instructions if each.chain]
        return over_parts or all(_is_library(place) and Path(place.file).name == _PARALLEL for place in first)


def own_places(chain: Chain) -> list[Place]:
    """Return the places that are not a library's, innermost first."""
    return [place for place in chain if not _is_library(place)]


def user_place(chain: Chain) -> Place | None:
    """Return the innermost line that is not a library's; a library's where no other is known."""
    own = own_places(chain)
    return own[0] if own else chain[0] if chain else None


def _is_library(place: Place) -> bool:
    return place.file.startswith("<") or is_library_file(place.file)


def hot_loops(code: Code) -> tuple[list[HotLoop], list[tuple[Loop, Calls]]]:
    """Find the loops of a kernel.

    Returns
    -------
    hot
        The innermost loops of its lines, each in the version that runs in earnest.
    around
        The loops around others, with what their functions call.
    """
    functions = [each for each in parse(code.assembly, code.chains) if not _WRAPPERS.match(each.name)]
    calls: dict[str, Calls] = {}
    for function in functions:
        calls[function.name] = Calls(function, calls)
    loops = {function.name: find_loops(function) for function in functions}
    sites = _call_sites(functions, calls)
    nested = _calling_loops(loops, calls)
    innermost, around = [], []
    for loop in (loop for found in loops.values() for loop in found):
        name = loop.function.name
        if loop.inside or any(each in nested or kind_of_call(each) == "threads" for each in _called(loop, calls[name])):
            around.append(loop)
        else:
            innermost.append(HotLoop(loop, calls[name], code.raises, sites.get(name, ())))
    working = [loop for loop in innermost if loop.is_of_user and not _is_degenerate(loop, around)]
    return [_chosen(group) for group in _groups(working)], [(loop, calls[loop.function.name]) for loop in around]


def _call_sites(functions: Sequence[Function], calls: Mapping[str, Calls]) -> dict[str, Chain]:
    """Return the lines of the user that call functions of libraries, by the functions' names."""
    sites: dict[str, Chain] = {}
    for function in functions:
        for each in (each for block in function.blocks for each in block.instructions if each.name.startswith("call")):
            place = user_place(each.chain)
            if place is not None and not _is_library(place):
                sites.setdefault(calls[function.name].name(each), each.chain)
    own = {function.name for function in functions if _has_user_lines(function)}
    return {name: chain for name, chain in sites.items() if name not in own}


def _has_user_lines(function: Function) -> bool:
    chains = {each.chain for block in function.blocks for each in block.instructions}
    return any(not _is_library(place) for chain in chains for place in chain)


def _calling_loops(loops: Mapping[str, Sequence[Loop]], calls: Mapping[str, Calls]) -> set[str]:
    """Return the functions that contain a loop, directly or in a function they call."""
    looping = {name for name, found in loops.items() if found}
    while more := {name for name in loops if name not in looping and looping & calls[name].names}:
        looping |= more
    return looping


def _called(loop: Loop, calls: Calls) -> set[str]:
    return {calls.name(each) for each in loop.instructions() if each.name.startswith("call")}


def _is_degenerate(loop: HotLoop, around: Sequence[Loop]) -> bool:
    """Return whether a loop is a version of an outer loop for the case that its inner loops have no iterations."""
    key = _key(loop)
    return any(
        not loop.loop.blocks <= other.blocks and other.depth >= loop.loop.depth and key <= _chains_inside(other)
        for other in around
        if other.function is loop.loop.function
    )


def _chains_inside(loop: Loop) -> set[Chain]:
    blocks = [loop.function.blocks[number] for number in loop.blocks]
    return {each.chain for block in blocks for each in block.instructions}


def all_loops(code: Code) -> list[Loop]:
    """Find all loops of a kernel, except those of wrappers."""
    functions = parse(code.assembly, code.chains)
    return [loop for function in functions if not _WRAPPERS.match(function.name) for loop in find_loops(function)]


def same_loops(first: Compiled, second: Compiled) -> bool:
    """Return whether two compilations produced the same innermost loops, instruction by instruction.

    Registers and the code around parallel loops are ignored: Numba numbers its variables, and LLVM depends on the names.
    """
    counted = [
        Counter(
            tuple(each.name for each in loop.instructions())
            for code in compiled.codes
            for loop in all_loops(code)
            if not loop.inside
        )
        for compiled in (first, second)
    ]
    return counted[0] == counted[1]


def _key(loop: HotLoop) -> frozenset[Chain]:
    """Return the places of a loop's arithmetic, memory accesses and calls; without these, of all instructions."""
    work = [
        each.chain
        for each in loop.instructions
        if each.chain and (x86.float_arithmetic(each) or x86.memory_of(each) or each.name.startswith("call"))
    ]
    return frozenset(work or [each.chain for each in loop.instructions if each.chain])


def _groups(loops: Iterable[HotLoop]) -> list[list[HotLoop]]:
    """Group the versions of the same source: loops whose places are equal to, or a subset of, another's."""
    groups: list[tuple[set[Chain], list[HotLoop]]] = []
    for loop in sorted(loops, key=lambda loop: -len(_key(loop))):
        key = _key(loop)
        for places, group in groups:
            if key <= places:
                group.append(loop)
                break
        else:
            groups.append((set(key), [loop]))
    return [group for _, group in groups]


def _chosen(group: list[HotLoop]) -> HotLoop:
    """Choose the version that does the main work.

    Versions for inner loops of one or two iterations are nested less deeply than the general one. Where some versions have
    strides known only at run time, those without are for strides that happen to be 1; where some divide integers, those that
    do not are for a divisor of 1. The remainder of a SIMD loop is narrower.
    """
    deepest = max(loop.loop.depth for loop in group)
    versions = [loop for loop in group if loop.loop.depth == deepest]
    general = [loop for loop in versions if loop.has_runtime_stride or loop.divides_integers]
    if versions[0].loop.function.name.startswith("__ufunc__"):  # these are called with contiguous arrays
        general = [loop for loop in versions if not loop.has_runtime_stride]
    chosen = max(general or versions, key=lambda loop: (loop.bits, len(loop.instructions)))
    chosen.others = [loop for loop in group if loop is not chosen]
    return chosen
