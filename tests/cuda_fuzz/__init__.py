"""Random typed kernels, run in the simulator and in numba-cuda's own."""
