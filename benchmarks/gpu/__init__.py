"""The built-in CUDA kernels and the training on a device against their targets: measured on a GPU, or predicted for one."""
