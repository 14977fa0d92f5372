"""The report on one CPU kernel."""

from dataclasses import dataclass
from typing import Any

from workbench.inspecting.cpu import x86
from workbench.inspecting.cpu.hot_loops import HotLoop
from workbench.inspecting.cpu.kernels import InspectedKernel
from workbench.inspecting.cpu.remarks import Remark
from workbench.inspecting.finding import Finding


@dataclass(frozen=True, kw_only=True)
class LoopReport:
    """A hot loop and its findings."""

    loop: HotLoop
    findings: tuple[Finding, ...]

    @property
    def lanes(self) -> int:
        """The number of elements per SIMD instruction; 1 for scalar code."""
        return self.loop.bits // 8 // (self.loop.element_bytes or 4) if self.loop.bits else 1

    @property
    def loads(self) -> int:
        """The number of instructions that read arrays."""
        return sum(x86.reads_memory(access.instruction) for access in self.loop.accesses)

    @property
    def stores(self) -> int:
        """The number of instructions that write arrays."""
        return sum(access.store for access in self.loop.accesses)

    @property
    def stack(self) -> int:
        """The number of instructions that read or write the stack."""
        places = [x86.memory_of(each) for each in self.loop.instructions]
        return sum(place is not None and place.on_stack for place in places)

    @property
    def bytes(self) -> int:
        """The number of bytes that an iteration moves to and from arrays."""
        return sum(access.width for access in self.loop.accesses)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object, with its instructions."""
        loop = self.loop
        arithmetic = [found for each in loop.instructions if (found := x86.float_arithmetic(each))]
        return {
            "lines": [{"file": place.file, "line": place.line} for place in loop.places],
            "depth": loop.depth,
            "simd_bits": loop.bits,
            "lanes": self.lanes,
            "float_instructions": len(arithmetic),
            "scalar_float_instructions": sum(form.startswith("s") for _, form in arithmetic),
            "fma_share": loop.fma_share,
            "loads": self.loads,
            "stores": self.stores,
            "bytes": self.bytes,
            "stack": self.stack,
            "instructions": len(loop.instructions),
            "versions": 1 + len(loop.others),
            "findings": [finding.to_json() for finding in self.findings],
            "assembly": [
                {"text": each.text, "line": None if (place := loop.place_of(each)) is None else place.line}
                for each in loop.instructions
            ],
        }


@dataclass(frozen=True, kw_only=True)
class CpuReport:
    """One kernel, compiled for the CPU.

    Attributes
    ----------
    subject : the kernel
    dtype : data type of its arrays
    cpu : the processor that the code is compiled for
    loops : its hot loops, with their findings
    outer : findings on the loops around them
    parallel : sentences on what runs in parallel
    remarks : remarks of LLVM's vectoriser
    notes : what this inspection could not see
    seconds : the time of the compilation
    """

    subject: InspectedKernel
    dtype: str
    cpu: str
    loops: tuple[LoopReport, ...]
    outer: tuple[Finding, ...]
    parallel: tuple[str, ...]
    remarks: tuple[Remark, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, once per line and kind, by line."""
        from workbench.inspecting.cpu.findings import unique

        return tuple(unique([*(each for loop in self.loops for each in loop.findings), *self.outer]))

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "device": "cpu",
            "op": self.subject.op,
            "implementation": self.subject.name,
            "target": self.subject.target,
            "file": self.subject.file,
            "dtype": self.dtype,
            "cpu": self.cpu,
            "compile_s": self.seconds,
            "loops": [loop.to_json() for loop in self.loops],
            "findings": [finding.to_json() for finding in self.findings],
            "parallel": list(self.parallel),
            "remarks": [{"file": each.place.file, "line": each.place.line, "text": each.text} for each in self.remarks],
            "notes": list(self.notes),
        }
