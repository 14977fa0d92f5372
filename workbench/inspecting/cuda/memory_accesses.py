"""Findings about registers and memory: spills, and arrays in local memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbench.inspecting.cuda.lines import most_frequent
from workbench.inspecting.cuda.loops import Loop
from workbench.inspecting.cuda.resources import Resources
from workbench.inspecting.cuda.sass import Instruction
from workbench.inspecting.finding import Finding


def local_memory(
    resources: Resources,
    instructions: Sequence[Instruction],
    loops: Sequence[Loop],
    options: Mapping[str, Any],
) -> Iterator[Finding]:
    """Find spilled registers, and arrays in local memory.

    Parameters
    ----------
    resources : of the kernel
    instructions, loops : of the kernel
    options : those of its ``@cuda.jit``
    """
    accesses = [each for each in instructions if each.base in ("LDL", "STL")]
    if not accesses:
        return
    depth = {
        each.address: loop.depth for loop in sorted(loops, key=lambda each: each.depth) for each in loop.instructions
    }
    deepest = max(depth.get(each.address, 0) for each in accesses)
    hot = [each for each in accesses if depth.get(each.address, 0) == deepest]
    where = f"{len(hot)} of them in its innermost loops" if deepest else "none of them in a loop"
    file, line = most_frequent(hot)
    if resources.spill_store_bytes or resources.spill_load_bytes:
        yield Finding(
            kind="spill",
            file=file,
            line=line,
            what=(
                f"does not fit into {resources.registers} registers: {resources.spill_store_bytes} bytes are written to "
                f"local memory and {resources.spill_load_bytes} read back; {len(accesses)} accesses, {where}"
            ),
            remedy=_more_registers(options),
        )
    elif resources.local_bytes:
        yield Finding(
            kind="local-memory",
            file=file,
            line=line,
            what=(
                f"keeps {resources.local_bytes} bytes of every thread in local memory, as slow as global memory where "
                f"the cache is missed: {len(accesses)} accesses, {where}"
            ),
            remedy=(
                "index cuda.local.array by constants alone (loops of constant length, which are unrolled), so that it can "
                "stay in registers, use shared memory, and reshape arrays before the launch"
            ),
        )


def _more_registers(options: Mapping[str, Any]) -> str:
    if options.get("max_registers"):
        return f"raise max_registers={options['max_registers']}, or make the tile of a thread smaller"
    if options.get("launch_bounds"):
        return f"relax launch_bounds={options['launch_bounds']!r}, or make the tile of a thread smaller"
    return "make the tile of a thread smaller, or split the kernel: 255 registers are the most that a thread can have"
