"""Findings about arithmetic: float64 in a float32 kernel, 64-bit multiplication and division in inner loops."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from workbench.inspecting.cuda.counting import CLASSES
from workbench.inspecting.cuda.lines import is_users, location
from workbench.inspecting.cuda.loops import Loop
from workbench.inspecting.cuda.sass import Instruction, Location, registers_written
from workbench.inspecting.finding import Finding
from workbench.system.compute_capability import LIMITS, ComputeCapability

INT64_SHARE = 0.08
"""The share of an inner loop's instructions from which products of 64-bit integers are reported. Numba's indices are 64
bits wide, so many kernels have an occasional one in an address."""

PRODUCT_INSTRUCTIONS = 4
"""The instructions of a product of two 64-bit integers: IMAD.WIDE.U32, two IMADs, an addition."""


def float64_arithmetic(
    instructions: Sequence[Instruction], loops: Sequence[Loop], cc: ComputeCapability
) -> Iterator[Finding]:
    """Find float64 arithmetic: in its loops if there is any in them, else anywhere."""
    inside = {each.address for loop in loops for each in loop.instructions}
    double = [each for each in instructions if is_double(each)]
    hot = [each for each in double if each.address in inside]
    for place, found in _by_line(hot or double):
        where = "in a loop" if hot else "once per thread"
        rate = LIMITS[cc].float64_per_float32
        names = ", ".join(dict.fromkeys(each.base for each in found))
        yield Finding(
            kind="float64",
            file=place[0],
            line=place[1],
            what=(
                f"computes in float64 although its arrays are float32: {names}, {where}; on this compute capability "
                f"{rate} float32 operations take the time of one in float64"
            ),
            remedy=(
                "make every operand float32: numba.float32(0) for 0.0, float32(n) for an integer that divides or is "
                "multiplied, float32(s) for a float argument"
            ),
        )


def wide_multiplications(loops: Iterable[Loop], asked: Mapping[Location, int]) -> Iterator[Finding]:
    """Find products of two 64-bit integers that take a large share of an innermost loop.

    Parameters
    ----------
    loops : loops of the machine code
    asked : the products in innermost loops of the PTX, by source line. The assembler may do in 32 bits what PTX does in 64,
        and may repeat in a loop a product from before it, which saves an addition: a product counts when both have it.
    """
    for loop in loops:
        made = Counter(location(each) for each in loop.instructions if _is_wide_product(each, loop))
        found = {place: min(number, asked.get(place, 0)) for place, number in made.items()}
        if not loop.innermost or sum(found.values()) * PRODUCT_INSTRUCTIONS < INT64_SHARE * loop.size:
            continue
        for place, number in sorted(found.items()):
            if number:
                yield Finding(
                    kind="int64",
                    file=place[0],
                    line=place[1],
                    what=(
                        f"multiplies 64-bit integers in the inner loop: {_times(number, 'product')} of "
                        f"{PRODUCT_INSTRUCTIONS} instructions each among {loop.size}; 32 bits take one"
                    ),
                    remedy=(
                        "add a stride up instead, or multiply in 32 bits: numba.int32(a * b) of a and b in int32 (Numba "
                        "widens int32 * int32 to int64, and int32() narrows it again)"
                    ),
                )


def divisions(loops: Sequence[Loop]) -> Iterator[Finding]:
    """Find divisions in loops: of integers, and of floating-point numbers by a loop-invariant value.

    Loops that contain others count only for 64-bit integers, whose division is a subroutine, and only when nested in
    another loop: the outermost is usually the one over a thread's outputs.
    """
    seen: set[int] = set()
    for loop in sorted(loops, key=lambda each: -each.depth):
        own = [each for each in loop.instructions if each.address not in seen]
        seen |= {each.address for each in own}
        if not loop.innermost:
            own = [each for each in own if loop.depth > 1 and _is_long_division(each)]
        long_places = {location(each) for each in own if _is_long_division(each)}
        for place, found in _by_line([each for each in own if _is_long_division(each)]):
            yield _division(
                place,
                loop,
                f"{_times(len(found), 'division')} of 64-bit integers, about 25 instructions each where both fit into 32 "
                "bits, 100 otherwise",
                "divide before the loop and increment in it, or divide numba.uint32 values",
            )
        short = [each for each in own if _is_short_division(each) and location(each) not in long_places]
        for place, found in _by_line(short):
            yield _division(
                place,
                loop,
                f"{_times(len(found), 'division')} of 32-bit integers, about 20 instructions each",
                "divide before the loop and increment in it; by a constant power of two it is a shift",
            )
        floating = [each for each in own if _is_float_division(each) and _stays(_divisor(each), loop)]
        for place, found in _by_line(floating):
            yield _division(
                place,
                loop,
                f"{_times(len(found), 'division')} by a loop-invariant number, about 10 instructions each",
                "multiply by its reciprocal, taken before the loop (one more rounding), or divide the sum after the loop",
            )


def _division(place: Location, loop: Loop, what: str, remedy: str) -> Finding:
    where = "the inner loop" if loop.innermost else "a loop around another"
    return Finding(kind="division", file=place[0], line=place[1], what=f"divides in {where}: {what}", remedy=remedy)


def is_double(instruction: Instruction) -> bool:
    """Return whether an instruction computes in float64."""
    if instruction.base == "DSETP" and not is_users(instruction):
        return False  # Numba's own functions compare an int64 with a uint64 this way
    special = instruction.base == "MUFU" and instruction.opcode.endswith("64H")
    return special or instruction.base in CLASSES["float64"]


def _is_wide_product(instruction: Instruction, loop: Loop) -> bool:
    """Return whether an instruction is the low part of a product of two 64-bit integers.

    It multiplies two values of 32 bits to 64, and one of them is also multiplied by the high half of the other.
    """
    if instruction.opcode not in ("IMAD.WIDE.U32", "UIMAD.WIDE.U32") or not is_users(instruction):
        return False
    factors = _factors(instruction)
    if not all(_is_variable(factor) for factor in factors):
        return False
    place = location(instruction)
    return any(
        each.opcode in ("IMAD", "UIMAD") and location(each) == place and factors & _factors(each)
        for each in loop.instructions
    )


def _factors(instruction: Instruction) -> set[str]:
    return {part.strip() for part in instruction.operands.split(",")[1:3]}


def _is_variable(operand: str) -> bool:
    return operand.startswith(("R", "UR", "c[")) and operand not in ("RZ", "URZ")


def _is_long_division(instruction: Instruction) -> bool:
    called = instruction.target or "" if instruction.base == "CALL" else ""
    return any(name in called for name in ("div_s64", "div_u64", "rem_s64", "rem_u64"))


def _is_short_division(instruction: Instruction) -> bool:
    """Return whether it is the reciprocal that starts a 32-bit division, the only one that is rounded up (RP)."""
    return instruction.base == "I2F" and "RP" in instruction.opcode.split(".")


def _is_float_division(instruction: Instruction) -> bool:
    """Return whether it checks a float32 division's operands, or estimates a float64 division's reciprocal."""
    return instruction.base == "FCHK" or instruction.opcode == "MUFU.RCP64H"


def _divisor(instruction: Instruction) -> str:
    return instruction.operands.split(",")[-1].strip().lstrip("-|").rstrip("|")


def _stays(operand: str, loop: Loop, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether an operand has the same value in every iteration: only copies of invariant values write it."""
    if not operand.startswith(("R", "UR")) or operand in ("RZ", "URZ"):
        return True
    if operand in seen:
        return False
    writers = [each for each in loop.instructions if operand in registers_written(each)]
    return all(
        (each.base in ("MOV", "UMOV") or ".MOV" in each.opcode)
        and _stays(each.operands.split(",")[-1].strip(), loop, seen | {operand})
        for each in writers
    )


def _by_line(instructions: Iterable[Instruction]) -> Iterator[tuple[Location, list[Instruction]]]:
    found: dict[Location, list[Instruction]] = {}
    for each in instructions:
        found.setdefault(location(each), []).append(each)
    yield from sorted(found.items())


def _times(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
