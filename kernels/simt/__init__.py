"""What the threads of a CUDA block compute together."""
