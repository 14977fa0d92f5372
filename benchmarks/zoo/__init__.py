"""Run the zoo of faulty and right CUDA kernels in the simulator and, if there is one, on a GPU."""
