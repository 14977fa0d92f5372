"""What the driver reports about a kernel on a machine with a GPU of its compute capability."""

from dataclasses import asdict, dataclass
from typing import Any

from workbench.inspecting.cuda.recording import RecordedLaunch
from workbench.system.compute_capability import ComputeCapability


@dataclass(frozen=True, kw_only=True)
class DriverFacts:
    """A kernel as the driver loaded it.

    Attributes
    ----------
    device : the GPU's name
    registers : per thread
    local_bytes : per thread
    shared_bytes : static shared memory, per block
    constant_bytes : the kernel's own constant memory
    max_threads : the most threads per block
    blocks_per_multiprocessor : resident blocks of the launched size; None where the size is unknown
    """

    device: str
    registers: int
    local_bytes: int
    shared_bytes: int
    constant_bytes: int
    max_threads: int
    blocks_per_multiprocessor: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a JSON object."""
        return asdict(self)


def driver_facts(launch: RecordedLaunch, cc: ComputeCapability) -> DriverFacts | None:
    """Load a kernel as a launch would, and ask the driver; None without a GPU of compute capability ``cc``."""
    from numba import cuda

    if not cuda.is_available() or tuple(cuda.get_current_device().compute_capability) != cc:
        return None
    compiled = launch.kernel.compile(launch.types)
    function = compiled._codelibrary.get_cufunc()
    resident = None
    if launch.threads is not None:
        resident = cuda.current_context().get_active_blocks_per_multiprocessor(
            function, launch.threads, launch.shared_bytes
        )
    name = cuda.get_current_device().name
    return DriverFacts(
        device=name.decode() if isinstance(name, bytes) else str(name),
        registers=compiled.regs_per_thread,
        local_bytes=compiled.local_mem_per_thread,
        shared_bytes=compiled.shared_mem_per_block,
        constant_bytes=compiled.const_mem_size,
        max_threads=compiled.max_threads_per_block,
        blocks_per_multiprocessor=resident,
    )
