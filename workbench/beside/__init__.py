"""A training with kernels of the user, and beside it the same with the built-in ones: where they part, and why."""
