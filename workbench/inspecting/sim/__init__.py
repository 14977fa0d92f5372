"""CUDA kernels in the simulator: what their warps do, counted by source line, and why that is slow."""
