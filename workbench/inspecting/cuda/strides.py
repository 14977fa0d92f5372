"""Global loads and stores in which neighbouring threads are far apart.

The threads of a warp have consecutive ``threadIdx.x``; where their addresses are consecutive too, one access of the warp
moves few pieces of 32 bytes (CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory"). This module traces every
address of the PTX back to see by how much ``threadIdx.x`` moves it: by a constant, by an array length, or unknown. Unknown
distances are not reported: an index that went through a division, was read from memory, or was multiplied by an argument.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.inspecting.cuda.lines import location
from workbench.inspecting.cuda.recording import RecordedLaunch
from workbench.inspecting.cuda.sass import Function, Instruction, Location
from workbench.inspecting.finding import Finding
from workbench.system.compute_capability import WARP

SECTOR_BYTES = 32
"""The smallest piece that memory moves: neighbours further apart share nothing."""

_ACCESS = re.compile(r"^(?P<kind>ld|st)\.global(?:\.\w+)*?(?:\.v(?P<lanes>[248]))?\.[a-z](?P<bits>\d+)$")
_ADDRESS = re.compile(r"\[(?P<register>%\w+)(?:\+-?\d+)?\]")
_PARAMETER = re.compile(r"\[\w+_param_(?P<number>\d+)\]")

Value = int | str | None
"""By how much the next thread's value is larger: a number; ``LENGTHS`` for a multiple of a product of array lengths;
``UNTOLD``; None where no write has been seen. A value that is the same in all threads is ``LENGTH`` where it follows from
array lengths alone, else ``SAME``."""

LENGTHS, LENGTH, SAME, UNTOLD = "lengths", "length", "same", "untold"


def strided_accesses(code: Function, launch: RecordedLaunch) -> Iterator[Finding]:
    """Find strided loads and stores of global memory, as far as PTX shows them with certainty."""
    if launch.block is not None and launch.block[0] % WARP:
        return  # the threads of a warp differ in threadIdx.y too
    if any(getattr(each, "layout", "C") != "C" for each in launch.types):
        return  # the stride of the array argument may be one element
    values = _values(code, _length_parameters(launch.types))
    found: dict[Location, dict[str, Value]] = {}
    for each in code.instructions:
        access, address = _ACCESS.match(each.opcode), _ADDRESS.search(each.operands)
        if access is None or address is None:
            continue
        apart = values.get(address["register"])
        bytes_each = int(access["bits"]) // 8 * int(access["lanes"] or 1)
        if apart == LENGTHS or (isinstance(apart, int) and abs(apart) >= max(SECTOR_BYTES, 2 * bytes_each)):
            found.setdefault(location(each), {}).setdefault(access["kind"], apart)
    for place, kinds in sorted(found.items()):
        yield _finding(place, kinds)


def _finding(place: Location, kinds: Mapping[str, Value]) -> Finding:
    apart = next(iter(kinds.values()))
    distance = f"{abs(apart)} bytes" if isinstance(apart, int) else "a row or more"
    verbs = " and ".join(verb for kind, verb in (("ld", "reads"), ("st", "writes")) if kind in kinds)
    return Finding(
        kind="strided",
        file=place[0],
        line=place[1],
        what=(
            f"{verbs} global memory with neighbouring threads {distance} apart: a warp touches {WARP} pieces of "
            f"{SECTOR_BYTES} bytes where its values would fit into a few"
        ),
        remedy=(
            "let threadIdx.x run along the last axis (j, i = cuda.grid(2) for x[i, j]), or go through shared memory"
        ),
    )


def _length_parameters(types: tuple[Any, ...]) -> frozenset[int]:
    """Return the indices of the PTX parameters that are lengths, strides or total sizes of arrays.

    Numba passes an array as memory info, parent, size, item size, data, lengths and strides, and a tuple as its elements.
    """
    lengths, number = set(), 0
    for each in _flattened(types):
        axes = getattr(each, "ndim", None)
        if axes is None:
            number += 1
            continue
        lengths |= {number + 2, *range(number + 5, number + 5 + 2 * axes)}
        number += 5 + 2 * axes
    return frozenset(lengths)


def _flattened(types: Any) -> Iterator[Any]:
    for each in types:
        if hasattr(each, "types"):
            yield from _flattened(each.types)
        else:
            yield each


def _values(code: Function, lengths: frozenset[int]) -> dict[str, Value]:
    """Follow ``threadIdx.x`` through the registers until nothing changes; all writes of a register must agree."""
    values: dict[str, Value] = {}
    changed = True
    while changed:
        changed = False
        for each in code.instructions:
            target, _, rest = each.operands.partition(",")
            target = target.strip()
            if not target.startswith("%") or each.opcode.startswith(("st.", "red.", "BRA", "setp")):
                continue
            joined = _join(values.get(target), _result(each, rest, values, lengths))
            if joined != values.get(target):
                values[target], changed = joined, True
    return values


def _join(first: Value, second: Value) -> Value:
    if first is None or first == second:
        return second
    if second is None:
        return first
    if {first, second} <= {LENGTH, SAME, 0}:
        return SAME
    return UNTOLD


def _result(instruction: Instruction, rest: str, values: Mapping[str, Value], lengths: frozenset[int]) -> Value:
    base = instruction.opcode.partition(".")[0]
    if base == "ld":
        return _loaded(rest, values, lengths)
    if base == "call" or instruction.opcode.rpartition(".")[2].startswith(("f32", "f64", "f16", "bf16")):
        return UNTOLD
    sources = [part.strip() for part in rest.split(",")]
    known = [_operand(each, values) for each in sources]
    if None in known:
        return None
    if base in ("mov", "cvt", "cvta"):
        return known[0]
    if base in ("add", "sub"):
        return _sum(known[0], known[1] if base == "add" else _times(known[1], -1))
    if base == "mul":
        return _product(sources, known)
    if base == "mad":
        return _sum(_product(sources, known), known[2])
    if base == "shl" and sources[1].isdigit():
        return _times(known[0], 1 << int(sources[1]))
    if instruction.opcode == "shr.s64" and sources[1] == "63":
        return LENGTH  # the sign of an index: indices are not negative
    if base == "selp":
        return _join(known[0], known[1])
    return _of_all(known)


def _loaded(rest: str, values: Mapping[str, Value], lengths: frozenset[int]) -> Value:
    if parameter := _PARAMETER.search(rest):
        return LENGTH if int(parameter["number"]) in lengths else SAME
    address = _ADDRESS.search(rest)
    value = values.get(address["register"], None) if address else UNTOLD
    return value if value is None else _of_all([value]) if value in (0, LENGTH, SAME) else UNTOLD


def _operand(text: str, values: Mapping[str, Value]) -> Value:
    if not text.startswith("%"):
        return LENGTH  # a constant, or the address of a variable
    if text == "%tid.x":
        return 1
    if text.startswith(("%tid", "%ntid", "%ctaid", "%nctaid")):
        return SAME  # in a warp: threadIdx.y and z too, since a row of the block is whole warps
    if text.startswith(("%lane", "%warp", "%clock", "%cluster")):
        return UNTOLD
    if text.startswith("%p") and text[2:].isdigit():
        return LENGTH
    return values.get(text)


def _sum(first: Value, second: Value) -> Value:
    for value, other in ((first, second), (second, first)):
        if value in (0, LENGTH, SAME):
            same = value if other == value else SAME
            return same if other in (0, LENGTH, SAME) else other
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    return UNTOLD


def _product(sources: list[str], known: list[Value]) -> Value:
    for number, value, other in ((sources[1], known[1], known[0]), (sources[0], known[0], known[1])):
        if number.lstrip("-").isdigit():
            return _times(other, int(number))
        if value in (0, LENGTH, SAME) and other in (0, LENGTH, SAME):
            return LENGTH if value == other == LENGTH else SAME
        if value == LENGTH and (other == LENGTHS or isinstance(other, int)):
            return LENGTHS
    return UNTOLD


def _times(value: Value, factor: int) -> Value:
    return value * factor if isinstance(value, int) else value


def _of_all(known: list[Value]) -> Value:
    """Return the value of any other operation: the same in all threads when its operands are."""
    if all(value in (0, LENGTH, SAME) for value in known):
        return LENGTH if all(value == LENGTH for value in known) else SAME
    return UNTOLD
