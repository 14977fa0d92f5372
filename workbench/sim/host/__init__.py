"""A launch as the host makes it: arguments, memory, what was found, in words."""
