"""Describe, assemble, train, evaluate and use networks."""
