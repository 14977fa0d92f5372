"""What a command needs around it: a working directory, and settings of Numba with which it does what it says."""

import os
import sys
from pathlib import Path

from workbench.system.errors import InputError
from workbench.system.terminal import print_line

_UNCOMPILED = "NUMBA_DISABLE_JIT"
_LAYER = "NUMBA_THREADING_LAYER"


def settle_environment() -> None:
    """Make commands work on compiled kernels, and refuse a threading layer that is not installed.

    Raises
    ------
    InputError
        The working directory has been removed; Numba is already imported, and compiles nothing.
    KernelsError
        A variable has a value without meaning, or names a threading layer that is not available.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("the working directory has been removed; change to another folder") from None
    if any(name.startswith(("NUMBA_", "OMP_", "GOMP_")) for name in os.environ):
        from kernels.compile.environment import check_environment

        check_environment()  # before Numba is imported, which prints what it does not understand
    if os.environ.get(_UNCOMPILED, "0") not in ("", "0"):
        if "numba" in sys.modules:
            raise InputError(f"{_UNCOMPILED}={os.environ[_UNCOMPILED]}: kernels would not be compiled; unset it")
        print_line(
            f"workbench: {_UNCOMPILED}={os.environ[_UNCOMPILED]} is set aside: commands work on compiled kernels; "
            "workbench check --device python checks them uncompiled",
            err=True,
        )
        os.environ[_UNCOMPILED] = "0"
    if os.environ.get(_LAYER, "default") != "default":
        from workbench.system.machine import threading_layer

        threading_layer()
