"""conv2d on the CPU: a file per algorithm."""
