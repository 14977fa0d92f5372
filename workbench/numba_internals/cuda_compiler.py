"""numba-cuda's compiler: ``dispatcher`` compiles and launches kernels, ``nvvm`` generates PTX. The simulator has neither."""

from numba.cuda import dispatcher
from numba.cuda.cudadrv import nvvm
