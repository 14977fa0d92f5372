"""The kernel workbench: check, time and train with Numba kernels from one command, ``workbench``.

``from workbench import implements`` says what a kernel implements; ``workbench.testing`` is for your own tests.
"""

from workbench.system.version import VERSION
from workbench.target.decorator import implements

__all__ = ["implements"]
__version__ = VERSION
