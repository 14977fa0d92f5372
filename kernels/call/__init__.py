"""The path from a public call to a kernel."""
