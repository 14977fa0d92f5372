"""What the workbench uses of Numba, numba-cuda and llvmlite beyond Numba's documented API.

The rule is that of ``kernels.compile.numba_internals``: no other file of workbench/ imports them. The modules about CUDA are
separate, so that a process that only uses the CPU does not import numba-cuda.
"""

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from kernels.compile import numba_internals

TESTED: Mapping[str, numba_internals.Versions] = {**numba_internals.TESTED, "numba-cuda": ("0.30", "0.30")}
"""The lowest and the highest versions that the internals were tested with."""


def untested_versions() -> str:
    """Return an addition to an error that versions other than the tested ones may explain; "" if all are tested."""
    installed = {}
    for name, ends in TESTED.items():
        with suppress(PackageNotFoundError):
            version(name)
            installed[name] = ends
    found = numba_internals.untested(installed)
    return f"; {'; '.join(found)}: install a tested version" if found else ""
