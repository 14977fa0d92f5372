"""Code shared by the host, the compiler and the language of the simulator."""
