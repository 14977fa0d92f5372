"""A kernel compiled for the simulator."""
