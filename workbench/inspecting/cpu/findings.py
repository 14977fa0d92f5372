"""Find what makes a hot loop slow, with one check per cause."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.inspecting.cpu import x86
from workbench.inspecting.cpu.addresses import walk_through
from workbench.inspecting.cpu.assembly import Instruction
from workbench.inspecting.cpu.calls import Calls, Kind, kind_of_call, plain_name
from workbench.inspecting.cpu.debug_lines import Chain, Place
from workbench.inspecting.cpu.hot_loops import HotLoop, own_places
from workbench.inspecting.cpu.loops import Loop
from workbench.inspecting.cpu.memory_patterns import Wrong, gathers, strided_loads, strided_stores
from workbench.inspecting.cpu.reductions import reduction
from workbench.inspecting.finding import Finding
from workbench.inspecting.source_loops import is_head, levels_around

FEW_SPILLS = 4
"""Up to this number, stack accesses are loop counters and the like."""


NEARLY_INNERMOST = 2
"""Costs of a microsecond matter up to this loop height: an innermost loop, or one level of loops around it."""


@dataclass(frozen=True)
class Context:
    """What the checks know beyond the machine code.

    Attributes
    ----------
    dtype : of the kernel's arrays
    double_reason : place -> the reason for float64 there and its remedy; None where unknown
    scalar_reason : loop -> LLVM's reason for leaving it scalar; None where it gives none
    """

    dtype: str
    double_reason: Callable[[Place], tuple[str, str] | None]
    scalar_reason: Callable[[HotLoop], str | None]


def check_loop(loop: HotLoop, context: Context) -> list[Finding]:
    """Check a hot loop.

    A finding that hides the others is reported alone: a loop that handles Python objects needs that fixed first. A loop is
    reported as scalar only where no other finding explains it.
    """
    objects = _findings("object", loop, _objects(loop))
    if objects:
        return objects
    found = [finding for kind, check in _CHECKS.items() for finding in _findings(kind, loop, check(loop))]
    if context.dtype == "float32":
        found += _findings("float64", loop, _doubles(loop, context))
    kinds = {finding.kind for finding in found}
    reason = context.scalar_reason(loop) or ""
    if kinds & _BEFORE_ORDER and not any(words in reason for words in _ORDER):
        found = [finding for finding in found if finding.kind != "reduction"]  # the sum is not what prevents SIMD
    if not kinds & _STOPS_SIMD:
        found += _findings("scalar", loop, _scalar(loop, context))
    return found


def check_outer(loop: Loop, calls: Calls) -> list[Finding]:
    """Check what a loop around others does once an iteration: allocation, starting threads and Python objects.

    What the start of a prange allocates is Numba's.
    """
    found = []
    for kind, (what, remedy) in _COSTLY_CALLS.items():
        for each in loop.instructions():
            chain = _costly_chain(each, kind, calls)
            place = next(iter(own_places(chain)), None)
            if place is not None and _is_nearly_innermost(chain, loop):
                found.append(Finding(kind=kind, file=place.file, line=place.line, what=what, remedy=remedy))
    started = {(each.file, each.line) for each in found if each.kind == "threads" and is_head(each.file, each.line)}
    return unique([each for each in found if each.kind == "threads" or (each.file, each.line) not in started])


def _costly_chain(instruction: Instruction, kind: Kind, calls: Calls) -> Chain:
    """Return the places of a call that allocates, itself or in a called function, or does other costly work; else none.

    Functions of Numba's own handle Python objects where they raise an error.
    """
    if not instruction.name.startswith("call"):
        return ()
    if kind != "allocation" and kind_of_call(calls.name(instruction)) != kind:
        return ()
    return calls.chain_of(instruction, kind) or ()


def _is_nearly_innermost(chain: Chain, loop: Loop) -> bool:
    """Return whether the costs of a place matter in its loop, by the loops of the source where they are known."""
    levels = levels_around([(place.file, place.line) for place in own_places(chain)])
    return (loop.height if levels is None else levels) <= NEARLY_INNERMOST


def unique(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings once per kind and line, sorted by file, line and kind."""
    by_place = {(finding.file, finding.line, finding.kind): finding for finding in reversed(findings)}
    return [by_place[key] for key in sorted(by_place)]


def _findings(kind: str, loop: HotLoop, wrong: Wrong) -> list[Finding]:
    found = []
    for instruction, what, remedy in wrong:
        place = loop.place_of(instruction) or loop.places[0]
        found.append(Finding(kind=kind, file=place.file, line=place.line, what=what, remedy=remedy))
    return unique(found)


_COSTLY_CALLS: dict[Kind, tuple[str, str]] = {
    "allocation": (
        "memory is allocated in every iteration of the loop",
        "allocate once before the loop and reuse it, or keep a few scalars instead of an array",
    ),
    "threads": (
        "starts the threads in every iteration of the loop, which takes microseconds each time",
        "let the outer loop be the prange, so that the threads start once",
    ),
    "object": (
        "handles Python objects in the loop (object mode): every operation goes through the interpreter",
        "compile with @njit, and keep what it cannot compile out of the loop",
    ),
}


def _called(loop: HotLoop, kind: str) -> list[tuple[Instruction, str]]:
    called = [(each, loop.calls.name(each)) for each in loop.instructions if each.name.startswith("call")]
    return [(each, name) for each, name in called if kind_of_call(name) == kind]


def _objects(loop: HotLoop) -> Wrong:
    called = [each for each, _ in _called(loop, "object")]
    if called:  # reported once, on the line with the most calls
        lines = Counter(loop.place_of(each) for each in called)
        inside = [line for line, _ in lines.most_common() if line != loop.places[0]] or list(lines)
        yield (next(each for each in called if loop.place_of(each) == inside[0]), *_COSTLY_CALLS["object"])


def _allocations(loop: HotLoop) -> Wrong:
    for each in loop.instructions:
        chain = _costly_chain(each, "allocation", loop.calls)
        if chain and _is_nearly_innermost((*chain, *loop.called_from), loop.loop):
            yield (each, *_COSTLY_CALLS["allocation"])


def _refcounts(loop: HotLoop) -> Wrong:
    locked = [each for each in loop.instructions if each.locked]
    for each in [instruction for instruction, _ in _called(loop, "refcount")] + locked:
        yield (
            each,
            "counts references to an array in every iteration of the loop",
            "take slices and arrays out of containers before the loop; index the whole array in it",
        )


def _calls(loop: HotLoop) -> Wrong:
    for each, name in _called(loop, "other"):
        if _is_numbas(name) and loop.calls.chain_of(each, "allocation") is not None:
            continue  # of NumPy's functions, the memory is what costs
        plain = plain_name(name) or "a function that only a pointer names"
        yield each, f"calls {plain} in every iteration, which also keeps the loop from SIMD", _call_remedy(name)


def _is_numbas(name: str) -> bool:
    return name.startswith("_ZN5numba")


def _call_remedy(name: str) -> str:
    if name.startswith(("numba_list_", "numba_dict_")):
        return "use an array of the size that is needed instead of a typed list or dictionary"
    if name.startswith("numba_xx"):
        return "multiply whole matrices, one call for all rows, or write the loop out"
    if _is_numbas(name):
        return "write out in a loop what the NumPy function does"
    if name.startswith("_ZN"):
        return 'let Numba inline it: make it shorter, or decorate it with @njit(inline="always")'
    return "move it out of the loop, or install icc_rt, whose SIMD versions of exp, log and the like Numba uses"


def _bounds(loop: HotLoop) -> Wrong:
    for jump, follower in loop.loop.exits():
        error = _raised(loop, follower)
        if error == "IndexError":
            yield (
                jump,
                "checks an index against the bounds of its array in every iteration",
                "remove boundscheck=True (and NUMBA_BOUNDSCHECK) once the kernel is checked",
            )


def _zero_checks(loop: HotLoop) -> Wrong:
    for jump, follower in loop.loop.exits():
        if _raised(loop, follower) == "ZeroDivisionError":
            yield (
                jump,
                "tests a divisor for zero in every iteration, to raise ZeroDivisionError",
                'compile with error_model="numpy"',
            )


def _raised(loop: HotLoop, number: int) -> str | None:
    """Return the exception that a loop exit raises; None if it raises none."""
    blocks = loop.loop.function.blocks
    for _ in range(4):
        block = blocks[number]
        for operand in (operand for each in block.instructions for operand in each.operands):
            if operand.strip('$"') in loop.raises:
                return loop.raises[operand.strip('$"')]
        if len(block.successors) != 1:
            return None
        number = block.successors[0]
    return None


def _divisions(loop: HotLoop) -> Wrong:
    for each, walk in walk_through(loop.loop):
        arithmetic = x86.float_arithmetic(each)
        if arithmetic is None or arithmetic[0] != "div":
            continue
        place = x86.memory(each.operands[0])
        constant = place is not None and (place.constant or (place.on_stack and place not in walk.stored))
        change = walk.of(x86.register(each.operands[0])) if place is None else walk.change_of(place)
        if constant or (change.none and (place is None or not place.on_stack)):
            yield (
                each,
                "divides by a loop-invariant number",
                "multiply by its reciprocal, computed before the loop (one more rounding)",
            )


def _integer_divisions(loop: HotLoop) -> Wrong:
    for each in loop.instructions:
        if x86.is_integer_division(each):
            yield (
                each,
                "divides integers in every iteration (// or %), 10 to 40 cycles each, and never SIMD",
                "use nested loops over the axes instead of decomposing an index, or divide before the loop",
            )


def _spills(loop: HotLoop) -> Wrong:
    if any(each.name.startswith("call") for each in loop.instructions):
        return  # the stack holds values for a call
    touched = [each for each in loop.instructions if (place := x86.memory_of(each)) is not None and place.on_stack]
    stored = [each for each in touched if x86.writes_memory(each)]
    if stored and len(touched) > FEW_SPILLS:
        reloads = len(touched) - len(stored)
        yield (
            loop.first,
            f"has more live values than registers: {len(stored)} spilled to the stack and {reloads} reloaded per iteration",
            "keep fewer accumulators or a smaller tile, or split the loop",
        )


def _doubles(loop: HotLoop, context: Context) -> Wrong:
    for each in loop.instructions:
        place = loop.place_of(each)
        if (x86.converts_double(each) or x86.is_double(each)) and place is not None:
            what, remedy = context.double_reason(place) or (
                "computes in float64",
                "keep constants and accumulators in the dtype of the arrays, as x.dtype.type(0); an integer times a float32 "
                "is a float64",
            )
            yield each, what, remedy


def _scalar(loop: HotLoop, context: Context) -> Wrong:
    work = [each for each in loop.instructions if x86.float_arithmetic(each) or x86.is_compare(each)]
    if loop.bits or not work:
        return
    reason = context.scalar_reason(loop)
    if reason is not None and _ORDER[0] not in reason:  # with several accumulators this is not a fault
        yield work[0], f"is not SIMD: {reason}", _scalar_remedy(reason)


def _scalar_remedy(reason: str) -> str:
    for words, remedy in _SCALAR_REMEDIES.items():
        if words in reason:
            return remedy
    return "make the innermost loop a plain range along the last axis, without branches"


_BEFORE_ORDER = {"strided", "gather", "bounds-check", "zero-check", "call"}
"""What prevents SIMD for a sum even where its order is free."""

_ORDER = ("reorder floating-point", "identified as reduction")
"""LLVM's wording for a sum that must be added in the written order."""

_SCALAR_REMEDIES = {
    "depend": "write what is read later to another array, or keep it in a variable",
    "control flow": "leave the loop by its count alone: no break, no return, no exception",
    "number of loop iterations": "use a range whose length is known before the loop",
    "identified as reduction": "let the innermost loop run over outputs, so that every SIMD lane keeps its own value",
    "array bounds": "index with the loop's own counter",
}

_CHECKS: dict[str, Callable[[HotLoop], Wrong]] = {
    "allocation": _allocations,
    "refcount": _refcounts,
    "call": _calls,
    "bounds-check": _bounds,
    "zero-check": _zero_checks,
    "gather": gathers,
    "strided": strided_loads,
    "strided-store": strided_stores,
    "reduction": reduction,
    "division": _divisions,
    "integer-division": _integer_divisions,
    "spills": _spills,
}
_STOPS_SIMD = set(_CHECKS) - {"division", "spills"}
