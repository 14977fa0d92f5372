"""The values of PTX registers in the threads of a block, as far as they follow from the threads' places in it.

Every integer register is followed from the special registers and parameters that it is made of. Array lengths are
replaced by large numbers, so that a row is larger than any constant; integer arguments have the values of the recorded
launch. What was loaded from memory, or depends on the block's place in the grid, is known to be the same in all threads,
or not known at all. Source: Parallel Thread Execution ISA 9.0.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.inspecting.cuda.recording import RecordedLaunch
from workbench.inspecting.cuda.sass import Function, Instruction
from workbench.system.compute_capability import WARP

ROW = 1 << 16
"""Array lengths are multiples of it: distances from here on are rows."""

MOST_THREADS = 8 * WARP
"""Threads of a block that are followed: the first warps."""

_PRIMES = (13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73)
_REGISTER = re.compile(r"%\w+(?:\.[xyz])?$")
_PARAMETER = re.compile(r"\[\w+_param_(?P<number>\d+)\]")
_ADDRESS = re.compile(r"\[(?P<register>%\w+)(?:\+-?\d+)?\]")
_AXES = {"x": 0, "y": 1, "z": 2}

Numbers = NDArray[np.object_]
"""Python integers, one for each thread."""


@dataclass(frozen=True, eq=False)
class Value:
    """A register's value in the threads of a block.

    Attributes
    ----------
    first : in thread 0; None where it is not known
    apart : by how much it is larger in each thread than in thread 0; None where it is the same in all threads
    sized : whether it follows from constants, array lengths and the threads' places alone
    """

    first: int | None = None
    apart: Numbers | None = None
    sized: bool = False

    @property
    def numbers(self) -> Numbers | int | None:
        """The numbers in all threads; None where they are not known."""
        if self.first is None or self.apart is None:
            return self.first
        return np.asarray(self.first + self.apart, object)


SAME = Value()
"""The same number in all threads, which is not known."""

Known = Value | None
"""None where a value may differ from thread to thread, and not by known amounts."""


def number(value: int) -> Value:
    """Return the value of a constant."""
    return Value(value, sized=True)


class ThreadValues:
    """The values of a kernel's registers in the first warps of a block, as its launch was recorded."""

    def __init__(self, code: Function, launch: RecordedLaunch) -> None:
        block = launch.block or (4 * WARP, 1, 1)
        self.warps = _warps(min(MOST_THREADS, block[0] * block[1] * block[2]))
        self._special = _special_registers(block, launch)
        self._parameters = _parameters(launch)
        self._values: dict[str, Known] = {}
        changed = True
        while changed:  # every write of a register must agree: a value only loses knowledge
            changed = False
            for each in code.instructions:
                changed |= self._write(each)

    def of(self, register: str) -> Known:
        """Return the value of a register; None where it is not known."""
        return self._values.get(register)

    def _write(self, instruction: Instruction) -> bool:
        """Record what an instruction writes; return whether that is new."""
        target, _, rest = instruction.operands.partition(",")
        target = target.strip()
        if not target.startswith("%") or instruction.base in ("st", "red", "bar", "BRA", "EXIT"):
            return False
        sources = [part.strip() for part in rest.split(",")]
        if any(part not in self._special and _REGISTER.match(part) and part not in self._values for part in sources):
            return False  # not written yet
        found = self._result(instruction, sources, rest)
        changed = False
        for name in target.split("|"):  # shfl.sync writes a predicate too
            joined = _join(self._values[name], found) if name in self._values else found
            if name not in self._values or not _is_same(joined, self._values[name]):
                self._values[name], changed = joined, True
        return changed

    def _result(self, instruction: Instruction, sources: Sequence[str], rest: str) -> Known:
        base = instruction.base
        if base == "ld":
            return self._loaded(rest)
        if base in _UNTOLD or "{" in rest:
            return None
        known = [self._operand(each) for each in sources]
        if base == "selp":
            return _selected(known)
        if any(each is None for each in known):
            return None
        return _computed(instruction.opcode, [each for each in known if each is not None])

    def _loaded(self, rest: str) -> Known:
        if parameter := _PARAMETER.search(rest):
            return self._parameters.get(int(parameter["number"]), SAME)
        address = _ADDRESS.search(rest)
        if address is None:
            return None if "retval" in rest else SAME
        value = self._values.get(address["register"])
        return SAME if value is not None and value.apart is None else None

    def _operand(self, text: str) -> Known:
        if text in self._special:
            return self._special[text]
        if text.startswith("%"):
            return self._values.get(text)
        try:
            return number(int(text.rstrip("U"), 0))
        except ValueError:
            return SAME  # a floating-point constant, or the address of a variable


_UNTOLD = ("call", "atom", "shfl", "vote", "match", "activemask", "prmt", "elect", "redux", "wmma", "mma", "ldmatrix")
"""What differs from thread to thread, or is not followed."""


def _warps(threads: int) -> tuple[slice, ...]:
    return tuple(slice(first, min(first + WARP, threads)) for first in range(0, threads, WARP))


def _special_registers(block: tuple[int, int, int], launch: RecordedLaunch) -> dict[str, Known]:
    """Return the values of the special registers."""
    threads = np.arange(min(MOST_THREADS, block[0] * block[1] * block[2]))
    places = threads % block[0], threads // block[0] % block[1], threads // (block[0] * block[1])
    values: dict[str, Known] = {"%laneid": _numbers(threads % WARP), "%warpid": _numbers(threads // WARP)}
    for axis, index in _AXES.items():
        values[f"%tid.{axis}"] = _numbers(places[index])
        values[f"%ntid.{axis}"] = SAME if launch.block is None else number(block[index])
        values[f"%nctaid.{axis}"] = number(launch.grid[index])
        values[f"%ctaid.{axis}"] = SAME
    return values


def _parameters(launch: RecordedLaunch) -> dict[int, Value]:
    """Return the values of the kernel's parameters that are lengths, strides or integers.

    Numba passes an array as memory info, parent, size, item size, data, lengths and strides, and a tuple as its elements.
    """
    values: dict[int, Value] = {}
    position = 0
    primes = _lengths()
    types = tuple(_flattened(launch.types))
    integers = launch.integers if len(launch.integers) == len(types) else (None,) * len(types)
    for each, integer in zip(types, integers, strict=True):
        axes = getattr(each, "ndim", None)
        if axes is None:
            if integer is not None:
                values[position] = number(integer)
            position += 1
            continue
        lengths = [next(primes) for _ in range(axes)]
        item_bytes = each.dtype.bitwidth // 8 if hasattr(each.dtype, "bitwidth") else None
        values[position + 2] = number(int(np.prod(np.array(lengths, object), initial=1)))
        if item_bytes is not None:
            values[position + 3] = number(item_bytes)
            strides = _strides(lengths, item_bytes, each.layout)
            values |= {position + 5 + axes + axis: number(stride) for axis, stride in enumerate(strides)}
        values |= {position + 5 + axis: number(length) for axis, length in enumerate(lengths)}
        position += 5 + 2 * axes
    return values


def _lengths() -> Iterator[int]:
    """Yield a different length for every axis."""
    for round_ in range(1 << 10):
        for prime in _PRIMES:
            yield (prime + round_ * _PRIMES[-1]) * ROW


def _strides(lengths: Sequence[int], item_bytes: int, layout: str) -> list[int]:
    """Return the strides of an array in bytes; none where its layout does not say."""
    if layout not in ("C", "F"):
        return []
    order = lengths if layout == "F" else lengths[::-1]
    strides = [item_bytes]
    for length in order[:-1]:
        strides.append(strides[-1] * length)
    return (strides if layout == "F" else strides[::-1])[: len(lengths)]


def _flattened(types: Any) -> Iterator[Any]:
    for each in types:
        if hasattr(each, "types"):
            yield from _flattened(each.types)
        else:
            yield each


def _numbers(found: Any, *, sized: bool = True) -> Value:
    """Return the value with these numbers in the threads."""
    numbers = np.array([int(each) for each in found], object)
    apart = numbers - numbers[0]
    return Value(numbers[0], apart if any(apart) else None, sized)


def _is_same(first: Known, second: Known) -> bool:
    if first is None or second is None:
        return first is second
    return (first.first, first.sized) == (second.first, second.sized) and _apart_equally(first, second)


def _apart_equally(first: Value, second: Value) -> bool:
    if first.apart is None or second.apart is None:
        return first.apart is second.apart
    return bool(np.array_equal(first.apart, second.apart))


def _join(first: Known, second: Known) -> Known:
    """Return what is known of a value that is one or the other, in all threads alike."""
    if first is None or second is None or not _apart_equally(first, second):
        return None
    sized = first.sized and second.sized
    return Value(first.first if first.first == second.first else None, first.apart, sized)


def _selected(known: Sequence[Known]) -> Known:
    """Return the value that a condition selects.

    Where one of two values is the same in all threads, it is taken for that of a border: an index is clamped, or wrapped.
    """
    first, second, condition = known
    if first is None or second is None:
        return None
    if first.apart is None and second.apart is None:
        same = condition is not None and condition.apart is None
        return _join(first, second) if same or _is_same(first, second) else None
    if first.apart is None or second.apart is None:
        return replace(second if first.apart is None else first, first=None, sized=False)
    return _join(first, second)


def _computed(opcode: str, known: Sequence[Value]) -> Known:
    """Return the result of an operation on integers; of one on floating-point numbers where it is the same everywhere."""
    base, *modifiers = opcode.split(".")
    if all(each.apart is None for each in known) and any(each.first is None for each in known):
        return Value(sized=all(each.sized for each in known))
    if any(part.startswith(("f", "bf")) and part[-1].isdigit() for part in modifiers):
        return SAME if all(each.apart is None for each in known) else None
    if base in ("mov", "cvt", "cvta"):
        return known[0]
    if base in ("add", "sub"):
        return _sum(known[0], known[1] if base == "add" else _product(known[1], number(-1)))
    if base == "neg":
        return _product(known[0], number(-1))
    if base == "mul" and "hi" not in modifiers:
        return _product(known[0], known[1])
    if base == "mad" and "hi" not in modifiers:
        product = _product(known[0], known[1])
        return None if product is None else _sum(product, known[2])
    if base == "shl" and known[1].first is not None and known[1].apart is None:
        return _product(known[0], number(1 << known[1].first))
    if base == "shr" and known[1].first in (31, 63) and known[1].apart is None:
        return number(0)  # the sign of an index: indices are not negative
    return _exact(base, modifiers, known) or _bounded(base, known)


def _sum(first: Value, second: Value | None) -> Known:
    if second is None:
        return None
    apart: Numbers | None = second.apart if first.apart is None else first.apart
    if first.apart is not None and second.apart is not None:
        apart = np.asarray(first.apart + second.apart, object)
    total = None if first.first is None or second.first is None else first.first + second.first
    return Value(total, apart if apart is not None and any(apart) else None, first.sized and second.sized)


def _product(first: Value, second: Value) -> Known:
    if first.apart is not None and second.apart is not None:
        return _exact("mul", (), (first, second))
    many, factor = (second, first) if first.apart is None else (first, second)
    sized = first.sized and second.sized
    times = factor.first
    if times is None and many.apart is not None:
        if not factor.sized:
            return None  # an argument: it may be 0 or 1
        times = ROW
    total = None if first.first is None or second.first is None else first.first * second.first
    apart = None if many.apart is None or times is None else np.asarray(many.apart * times, object)
    return Value(total, apart if apart is not None and any(apart) else None, sized)


_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "mul": operator.mul,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "shl": lambda value, places: value << min(places, 64),
    "shr": lambda value, places: value >> min(places, 64),
    "div": operator.floordiv,
    "rem": operator.mod,
    "min": min,
    "max": max,
}
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lo": operator.lt,
    "le": operator.le,
    "ls": operator.le,
    "gt": operator.gt,
    "hi": operator.gt,
    "ge": operator.ge,
    "hs": operator.ge,
}


def _exact(base: str, modifiers: Sequence[str], known: Sequence[Value]) -> Known:
    """Compute an operation thread by thread where its operands are known numbers that are not negative."""
    columns = [each.numbers for each in known]
    if any(column is None for column in columns) or len(known) < 2:
        return None
    operation: Callable[..., Any] | None = _OPERATIONS.get(base)
    if base == "setp":
        operation = _COMPARISONS.get(modifiers[0])
    elif base == "mul" and "hi" in modifiers:
        bits = int(modifiers[-1][1:])
        operation = lambda value, factor: value * (factor % (1 << bits)) >> bits  # noqa: E731
    elif base == "bfe":
        operation = lambda value, first, length: value >> first & ((1 << length) - 1)  # noqa: E731
    if operation is None:
        return None
    found = np.frompyfunc(operation, len(columns), 1)(*columns)
    sized = all(each.sized for each in known)
    return _numbers(found, sized=sized) if isinstance(found, np.ndarray) else Value(int(found), sized=sized)


_NOTHING_OF_INDICES = (0, 1 << 31, -1 << 31, 1 << 63, -1 << 63)
"""Masks that leave nothing of an index: no bit, or its sign, since indices are not negative."""


def _bounded(base: str, known: Sequence[Value]) -> Known:
    """Return the result of an operation that changes a value at a border alone, or adds to it what fits below it."""
    if len(known) == 2 and base in ("min", "max", "or"):
        many, other = known if known[1].apart is None else known[::-1]
        if other.apart is None and many.apart is not None:
            return replace(many, first=None, sized=False)
    if (
        len(known) == 2
        and base == "and"
        and any(each.first in _NOTHING_OF_INDICES for each in known if each.apart is None)
    ):
        return number(0)
    return None
