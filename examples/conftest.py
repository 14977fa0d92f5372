"""Run CUDA kernels in the simulator: the plugin selects it before Numba is imported."""

pytest_plugins = ["workbench.sim.plugin"]
