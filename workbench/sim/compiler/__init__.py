"""Compile kernels for the simulator."""
