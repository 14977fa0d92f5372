"""Why is a kernel slow? Its machine code, read: what stands in the inner loops, on which source line, and what mends it."""
