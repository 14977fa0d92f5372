"""CUDA kernels without a GPU: PTX and SASS for any compute capability, the resources they use, and what makes them slow."""

from collections.abc import Sequence

from workbench.inspecting.cuda.cuda_inspection import inspect_launches
from workbench.inspecting.cuda.cuda_record import CudaReport
from workbench.inspecting.cuda.targets import launches
from workbench.inspecting.cuda.toolchain import find_toolchain
from workbench.system.compute_capability import DEFAULT, LIMITS, ComputeCapability, parse_cc
from workbench.target.resolve import Target

__all__ = ["DEFAULT", "LIMITS", "ComputeCapability", "CudaReport", "inspect_kernels", "parse_cc"]


def inspect_kernels(
    targets: Sequence[Target],
    dtype: str = "float32",
    ccs: Sequence[ComputeCapability] = DEFAULT,
    case: str | None = None,
) -> list[CudaReport]:
    """Inspect the machine code of the CUDA kernels that the targets launch.

    Parameters
    ----------
    targets : operations, whose built-in kernels are meant, and files
    dtype : "float32" or "float64", of the arrays that the kernels are launched with
    ccs : compute capabilities, keys of ``LIMITS``
    case : what they are launched for, see ``targets.launches``

    Returns
    -------
    reports
        One for every kernel and compute capability, kernel by kernel.

    Raises
    ------
    InputError
        The compiler's tools are not installed; a target has no kernel for CUDA; a kernel does not compile.
    """
    toolchain = find_toolchain()
    return inspect_launches(launches(targets, dtype, case), dtype, tuple(dict.fromkeys(ccs)), toolchain)
