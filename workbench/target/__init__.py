"""FILE.py[:NAME]: from what a user names to a kernel that can be called."""
