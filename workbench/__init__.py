"""The kernel workbench: check, time and train with Numba kernels from one command, ``workbench``.

The decorator ``workbench.implements`` declares which operation a kernel implements; ``workbench.testing`` is for your tests.
"""

from typing import TYPE_CHECKING, Any

from workbench.system.version import VERSION

if TYPE_CHECKING:
    from workbench.target.decorator import implements

__all__ = ["implements"]
__version__ = VERSION


def __getattr__(name: str) -> Any:
    """Import ``implements`` when it is used, so that the command line starts, and can be interrupted, at once."""
    if name != "implements":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workbench.target.decorator import implements

    return implements
