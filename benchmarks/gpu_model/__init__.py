"""The model of GPUs against published series of kernels, and against the GPU at hand."""
