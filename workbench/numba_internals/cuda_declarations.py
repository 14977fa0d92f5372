"""What numba-cuda declares to kernels, with a GPU and without: libdevice's functions, the vector types,
and users' overloads.
"""

from numba.cuda.libdevicefuncs import functions as libdevice_functions
from numba.cuda.stubs import _vector_type_stubs as vector_type_stubs
from numba.cuda.typing.templates import builtin_registry as cuda_typing_registry
