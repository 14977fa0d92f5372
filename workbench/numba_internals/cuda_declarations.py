"""What numba-cuda declares to kernels, with a GPU and without: libdevice's functions and the vector types."""

from numba.cuda.libdevicefuncs import functions as libdevice_functions
from numba.cuda.stubs import _vector_type_stubs as vector_type_stubs
