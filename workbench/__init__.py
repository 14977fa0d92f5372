"""The kernel workbench: check, time and train with Numba kernels from one command, ``workbench``."""

__version__ = "0.1.0"
