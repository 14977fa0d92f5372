"""The host side of a launch: arguments, memory, and descriptions of hazards."""
