"""The zoo of CUDA kernels, faulty and right, run in the simulator and, where there is one, on a GPU."""
