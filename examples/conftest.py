"""CUDA kernels run in the simulator: the plugin makes its choice before Numba is imported."""

pytest_plugins = ["workbench.sim.plugin"]
