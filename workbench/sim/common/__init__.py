"""What the host, the compiler and the language of the simulator share."""
