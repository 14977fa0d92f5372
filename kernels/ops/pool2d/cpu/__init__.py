"""Pooling on the CPU: one file per algorithm."""
