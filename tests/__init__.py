"""The tests of the kernels and of the workbench; the folders mirror theirs."""
