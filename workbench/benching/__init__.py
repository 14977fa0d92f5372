"""Benchmarks: implementations are verified, timed in turn with their rivals, and compared with the machine's limits."""
