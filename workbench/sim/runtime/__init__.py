"""The runtime of a simulated kernel: threads as fibers, barriers, warp operations, and the record of every access.

Numba compiles it; it works on plain memory (``layout``) without Python objects.
"""
