"""Resources of a multiprocessor that a kernel uses, as ``ptxas -v`` reports them."""

import re
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Registers and memory of one kernel.

    Attributes
    ----------
    registers : per thread
    barriers : named barriers per block
    local_bytes : stack frame, per thread: arrays that are indexed dynamically, and spilled registers
    spill_store_bytes, spill_load_bytes : registers written to and read from local memory, counted once per instruction
    shared_bytes : static shared memory, per block
    constant_bytes : constant memory, kernel parameters included; None where ptxas does not report it (from 9.0 on)
    """

    registers: int
    barriers: int
    local_bytes: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int
    constant_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the resources as a JSON object."""
        return asdict(self)


def read_resources(messages: str, kernel: str) -> Resources:
    """Read the resources of a kernel from the output of ``ptxas -v``; what it does not mention is 0.

    Raises
    ------
    ValueError
        The output does not mention this kernel.
    """
    _, found, own = messages.partition(f"Function properties for {kernel}\n")
    if not found:
        raise ValueError(f"ptxas reported nothing about {kernel}")
    used = next((line for line in own.splitlines() if "Used " in line and "registers" in line), "")
    constant = re.findall(r"(\d+) bytes cmem\[\d+\]", used)
    return Resources(
        registers=_number(r"Used (\d+) registers", used),
        barriers=_number(r"used (\d+) barriers", used),
        local_bytes=_number(r"(\d+) bytes stack frame", own),
        spill_store_bytes=_number(r"(\d+) bytes spill stores", own),
        spill_load_bytes=_number(r"(\d+) bytes spill loads", own),
        shared_bytes=_number(r"(\d+) bytes smem", used),
        constant_bytes=sum(map(int, constant)) if constant else None,
    )


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0
