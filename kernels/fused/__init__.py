"""A network's whole step in compiled code, for any sequence of layers: an interpreter whose instructions are layers.

It is compiled once. A program (``program``) tells which layers to run on which memory; blocks of as many samples as a
register has lanes go forward and back while they are in the cache (``interpreter``, ``convolution``, ``dense``, ``pooling``,
``samples``); threads share the blocks of a step, then the parameters (``step``).
workbench.network.executor writes the programs.
"""
