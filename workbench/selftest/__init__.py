"""The self-test of the checker: it must find faults planted in the kernels, and pass right kernels."""
