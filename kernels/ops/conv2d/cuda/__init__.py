"""conv2d on CUDA: one file per algorithm."""
