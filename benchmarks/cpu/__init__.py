"""``python -m benchmarks.cpu``: the CPU kernels against PyTorch and against this machine's limits, row by row."""
