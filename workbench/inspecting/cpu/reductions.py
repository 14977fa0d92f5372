"""Find reductions whose every step waits for one accumulator."""

from workbench.inspecting.cpu import x86
from workbench.inspecting.cpu.assembly import Instruction
from workbench.inspecting.cpu.hot_loops import HotLoop
from workbench.inspecting.cpu.memory_patterns import Wrong

FEW = 3
"""The most accumulators that still wait: an addition takes 3 to 5 cycles, and two start per cycle."""

_WORDS = {"add": "sum", "sub": "sum", "mul": "product", "max": "maximum", "min": "minimum"}


_IN_MEMORY = (
    "keeps a running sum in an array element, and stores every step",
    'add up in a variable, in four or more accumulators or with fastmath={"reassoc", "nsz"}, and store it after the loop',
)


def reduction(loop: HotLoop) -> Wrong:
    """Find a scalar loop that keeps one or a few running results, in registers or in memory."""
    if loop.bits:
        return
    staying = {id(access.instruction) for access in loop.accesses if access.store and access.change.none}
    chains = _chains(loop.instructions, staying)
    if len(chains) == 1 and staying:
        yield (next(each for each in loop.instructions if id(each) in staying), *_IN_MEMORY)
    elif 1 <= len(chains) <= FEW:
        step = next(iter(chains.values()))
        arithmetic = x86.float_arithmetic(step)
        word = _WORDS.get(arithmetic[0] if arithmetic else "", "sum")
        flags = '"nnan", "nsz"' if word in ("maximum", "minimum") else '"reassoc", "nsz"'
        how = "one accumulator" if len(chains) == 1 else f"{len(chains)} accumulators"
        yield (
            step,
            f"keeps a running {word} in {how}: every step waits for the one before it, and none is SIMD",
            "keep four or more accumulators, let the innermost loop run over outputs, or free the order of the steps with "
            f"fastmath={{{flags}}}",
        )
    elif not chains and (store := _in_memory(loop)) is not None:
        yield (store, *_IN_MEMORY)


def _chains(instructions: list[Instruction], staying: set[int]) -> dict[str, Instruction]:
    """Return the registers whose value depends on their own in the previous iteration, each with a step of its arithmetic.

    A value stored on the way, to an address that changes, is not a sum but a sequence that the kernel computes. ``staying``
    holds the stores to fixed addresses.
    """
    roots: dict[str, set[str]] = {}
    steps: dict[str, Instruction] = {}
    stored: set[str] = set()

    def of(name: str) -> set[str]:
        return roots.get(name, {name})

    for each in instructions:
        sources = [name for name in x86.reads(each) if name.startswith("v")]
        together = set().union(*(of(name) for name in sources))
        if x86.writes_memory(each) and id(each) not in staying:
            stored |= together
        arithmetic = x86.float_arithmetic(each)
        for name in x86.writes(each):
            if not name.startswith("v"):
                continue
            if arithmetic is not None and arithmetic[1].startswith("s"):
                for root in together:
                    steps[root] = each
            roots[name] = together
    return {name: steps[name] for name, ends in roots.items() if name in ends and name in steps and name not in stored}


def _in_memory(loop: HotLoop) -> Instruction | None:
    """Return the store of a sum kept in memory: its address is fixed, and the loop also reads it."""
    arithmetic = any(x86.float_arithmetic(each) for each in loop.instructions)
    staying = [access for access in loop.accesses if access.change.none]
    for access in staying if arithmetic else ():
        again = any(other.memory == access.memory and x86.reads_memory(other.instruction) for other in staying)
        if access.store and again and access.instruction.name.endswith(("ss", "sd")):
            return access.instruction
    return None
