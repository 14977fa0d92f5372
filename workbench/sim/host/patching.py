"""Enter the simulator: check that it can run, patch numba-cuda's simulator and restore it.

Only the simulator is patched, in a process that runs it (NUMBA_ENABLE_CUDASIM=1), and only inside ``simulator()``; the
plain simulator and a real GPU are not affected. Numba is imported when the first block is entered: until then a process
can still set NUMBA_ENABLE_CUDASIM.
"""

import importlib
import importlib.metadata
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from kernels.compile.numba_internals import shown, untested
from kernels.installation import install_command
from workbench.numba_internals import TESTED
from workbench.sim.common.settings import SimulatorSettings, simulating
from workbench.system.errors import InputError, first_line

_TESTED = TESTED["numba-cuda"]

_lock = threading.Lock()
_active = 0
_undo = ExitStack()


@contextmanager
def simulator(**settings: Any) -> Iterator[SimulatorSettings]:
    """Run CUDA kernels that are launched inside the block in this simulator.

    Parameters
    ----------
    settings : see ``workbench.sim.SimulatorSettings``

    Raises
    ------
    InputError
        This process has no CUDA simulator, or an unsupported one.
    """
    global _active, _undo
    with simulating(**settings) as current:
        with _lock:
            if _active == 0:
                _undo = _patched()
            _active += 1
        try:
            yield current
        finally:
            with _lock:
                _active -= 1
                if _active == 0:
                    _undo.close()


def absence() -> str | None:
    """Return why CUDA kernels cannot be simulated on this machine; None if they can."""
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, this is {sys.platform}"
    try:
        importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        return f"numba-cuda is not installed; {install_command(extra='sim')}"
    return None


def select() -> None:
    """Select the simulator for this process, unless ``numba.cuda`` is imported: then its choice is made."""
    if "numba.cuda" in sys.modules:
        return
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")
    if "numba" in sys.modules:  # it reads the environment when it is imported
        sys.modules["numba"].config.reload_config()


def fault() -> str | None:
    """Return why this process cannot simulate CUDA kernels; None if it can. Imports ``numba.cuda``."""
    reason = absence()
    if reason is not None:
        return reason
    try:
        is_simulated = hasattr(importlib.import_module("numba.cuda"), "FakeCUDAKernel")
        if is_simulated:
            importlib.import_module("workbench.numba_internals.cuda_simulator")
    except Exception as error:  # of whatever kind: with a Numba that it does not know, numba-cuda fails at its import
        versions = (
            f"numba-cuda {importlib.metadata.version('numba-cuda')} with numba {importlib.metadata.version('numba')}"
        )
        return f"{versions} has no supported simulator ({first_line(error)}); {install_command(extra='sim')}"
    if not is_simulated:
        return "numba.cuda was imported for a GPU; set NUMBA_ENABLE_CUDASIM=1 before Numba is imported"
    return None


def _patched() -> ExitStack:
    """Patch numba-cuda's simulator; closing the stack restores it."""
    _expect_support()
    from workbench.sim.host.patches import patched

    return patched()


@cache
def _expect_support() -> None:
    """Fail if this process cannot simulate, and warn of a version that is not tested; what it finds out stays true.

    Reading the versions of packages takes longer than a small launch.
    """
    reason = fault()
    if reason is not None:
        raise InputError(f"the CUDA simulator cannot run here: {reason}")
    version = importlib.metadata.version("numba-cuda")
    if untested({"numba-cuda": _TESTED}):
        warnings.warn(
            f"the simulator was tested with numba-cuda {shown(_TESTED)}, this is {version}",
            RuntimeWarning,
            stacklevel=5,
        )
