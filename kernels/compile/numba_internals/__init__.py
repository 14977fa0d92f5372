"""What the kernels use of Numba and llvmlite beyond Numba's documented API.

``numba``, ``numba.cuda``, ``numba.types`` and ``numba.extending`` are documented and may be imported anywhere. All other
modules of Numba, and llvmlite, may change with every version: only this package imports them, one
module for each purpose, and a test enforces that. For another version change ``TESTED``, run all tests and adapt what fails.
"""

from collections.abc import Mapping
from importlib.metadata import version

TESTED: Mapping[str, str] = {"numba": "0.68", "llvmlite": "0.50"}
"""The versions that the internals were tested with."""


def untested(tested: Mapping[str, str] = TESTED) -> list[str]:
    """Return the installed packages whose version is not the tested one, each with both versions."""
    installed = {name: version(name) for name in tested}
    return [
        f"{name} {installed[name]}, tested with {wanted}"
        for name, wanted in tested.items()
        if not f"{installed[name]}.".startswith(f"{wanted}.")
    ]
