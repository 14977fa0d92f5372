"""A whole training step on a CUDA device: an interpreter of network programs, a block of threads for each sample."""
