"""The tests of the kernels and of the workbench, in folders like theirs."""
