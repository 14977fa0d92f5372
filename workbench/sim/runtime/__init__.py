"""What runs beside a simulated kernel: threads as fibers, barriers, warp operations, and the record of every access.

It is compiled by Numba, works on plain memory (``layout``) and knows nothing of Python objects.
"""
