"""What the register tiles for CUDA are defined with: ``intrinsic`` adds a function to CUDA's own, which kernels call."""

from numba.cuda.extending import intrinsic
