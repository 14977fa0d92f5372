"""A test of the tests: faults planted in the kernels, which the checker must find."""
