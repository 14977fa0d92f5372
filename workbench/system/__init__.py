"""Processes, files, the machine, messages."""
