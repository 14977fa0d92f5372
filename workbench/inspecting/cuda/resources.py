"""What a kernel takes of a multiprocessor, as ``ptxas -v`` says it."""

from __future__ import annotations

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
    spill_store_bytes, spill_load_bytes : registers written to and read from local memory, counted once where they stand
    shared_bytes : static shared memory, per block
    constant_bytes : constant memory, parameters of the kernel included; None where ptxas is silent on it (from 9.0 on)
    """

    registers: int
    barriers: int
    local_bytes: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int
    constant_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def read_resources(messages: str, kernel: str) -> Resources:
    """Read what ``ptxas -v`` said of a kernel; what it does not mention is 0.

    Raises
    ------
    ValueError
        It says nothing of this kernel.
    """
    _, found, own = messages.partition(f"Function properties for {kernel}\n")
    if not found:
        raise ValueError(f"ptxas said nothing of {kernel}")
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
