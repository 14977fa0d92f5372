"""Explain why a kernel is slow, from its machine code: what its inner loops do, on which source line, and how to fix it."""
