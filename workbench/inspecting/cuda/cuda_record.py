"""The report on one kernel on one compute capability."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from workbench.inspecting.cuda.counting import counts, opcodes, widths
from workbench.inspecting.cuda.driver import DriverFacts
from workbench.inspecting.cuda.lines import location
from workbench.inspecting.cuda.loops import Loop, hottest
from workbench.inspecting.cuda.occupancy import Occupancy
from workbench.inspecting.cuda.resources import Resources
from workbench.inspecting.cuda.sass import Function, Location
from workbench.inspecting.cuda.targets import Launched
from workbench.inspecting.finding import Finding
from workbench.system.compute_capability import ComputeCapability


@dataclass(frozen=True, kw_only=True)
class CudaReport:
    """One kernel, compiled for one compute capability.

    Attributes
    ----------
    launched : the kernel, how it is launched, and what launches it
    dtype : of the arrays that it was launched with
    cc : the compute capability
    resources : registers and memory of the kernel
    occupancy : None where the block is not known
    code : its machine code
    subroutines : functions that the compiler placed after it, divisions for instance
    loops : its loops
    linked : functions that it calls but that are linked only when it is loaded, so they are not inspected
    findings : what makes it slow
    driver : what the driver reports; None without a GPU of this compute capability
    ptx, sass : as NVIDIA's tools print them
    """

    launched: Launched
    dtype: str
    cc: ComputeCapability
    resources: Resources
    occupancy: Occupancy | None
    code: Function
    subroutines: tuple[Function, ...]
    loops: tuple[Loop, ...]
    linked: tuple[str, ...]
    findings: tuple[Finding, ...]
    driver: DriverFacts | None
    ptx: str = field(repr=False)
    sass: str = field(repr=False)

    @property
    def kernel(self) -> str:
        """The kernel's name."""
        return self.launched.launch.name

    @property
    def op(self) -> str:
        """The operation's name."""
        return self.launched.implementation.op

    @property
    def file(self) -> str:
        """The file that defines the kernel."""
        return str(self.launched.launch.kernel.py_func.__code__.co_filename)

    @property
    def first_line(self) -> int:
        """Its first line, decorators included."""
        return int(self.launched.launch.kernel.py_func.__code__.co_firstlineno)

    @property
    def hot_loop(self) -> Loop | None:
        """The most deeply nested innermost loop; None without loops."""
        return hottest(self.loops)

    @property
    def lines(self) -> dict[Location, int]:
        """Instructions by the source line that they come from."""
        return dict(sorted(Counter(location(each) for each in self.code.instructions).items()))

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object, PTX and SASS included."""
        launch, hot = self.launched.launch, self.hot_loop
        return {
            "device": "cuda",
            "op": self.op,
            "implementation": self.launched.implementation.name,
            "kernel": self.kernel,
            "file": self.file,
            "line": self.first_line,
            "dtype": self.dtype,
            "compute_capability": f"{self.cc[0]}.{self.cc[1]}",
            "launch": {
                "case": self.launched.case,
                "types": [str(each) for each in launch.types],
                "grid": list(launch.grid),
                "block": None if launch.block is None else list(launch.block),
                "dynamic_shared_bytes": launch.shared_bytes,
            },
            "resources": self.resources.to_json(),
            "occupancy": None if self.occupancy is None else self.occupancy.to_json(),
            "instructions": {
                "total": len(self.code.instructions),
                "classes": counts(self.code.instructions),
                "opcodes": opcodes(self.code.instructions),
                "access_bits": widths(self.code.instructions),
                "lines": [
                    {"file": file, "line": line, "instructions": number} for (file, line), number in self.lines.items()
                ],
            },
            "subroutines": {each.name: len(each.instructions) for each in self.subroutines},
            "linked": list(self.linked),
            "loops": [_loop_to_json(each, hottest=each is hot) for each in self.loops],
            "findings": [each.to_json() for each in self.findings],
            "driver": None if self.driver is None else self.driver.to_json(),
            "ptx": self.ptx,
            "sass": self.sass,
        }


def _loop_to_json(loop: Loop, *, hottest: bool) -> dict[str, Any]:
    return {
        "first_address": loop.instructions[0].address,
        "last_address": loop.instructions[-1].address,
        "depth": loop.depth,
        "innermost": loop.innermost,
        "hottest": hottest,
        "instructions": loop.size,
        "classes": counts(loop.instructions),
        "access_bits": widths(loop.instructions),
        "lines": sorted({location(each)[1] for each in loop.instructions} - {0}),
    }
