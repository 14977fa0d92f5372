"""How long a launch takes on a named GPU, predicted from what its warps do in the simulator and from its machine code."""
