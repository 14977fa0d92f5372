"""The kernel workbench: check, time and train with Numba kernels from one command, ``workbench``.

The decorator ``workbench.implements`` declares which operation a kernel implements; ``workbench.testing`` is for your tests.
"""

from workbench.system.version import VERSION
from workbench.target.decorator import implements

__all__ = ["implements"]
__version__ = VERSION
