"""dense on the CPU, a file per algorithm."""
