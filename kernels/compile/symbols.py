"""Symbol names in machine code that are unique across processes.

Numba distinguishes functions of the same name (for example those made by a factory) by a number counted from 1 in every
process, and marks helpers as "any definition of this name serves". Kernels compiled and cached by two processes may thus
bring two different helpers of one name into a third process. Both kernels then run the helper loaded first: sums come out
as maxima. Here the count of every process starts at a random number, so that a name identifies the compiling process.
"""

import itertools
import os
import secrets

from kernels.compile.numba_internals.compiling import FunctionIdentity


def make_unique() -> None:
    """Number the functions compiled by this process and its children from random 60-bit numbers on."""
    _count_from_random()
    if hasattr(os, "register_at_fork"):  # a child would continue its parent's numbers, as would its siblings
        os.register_at_fork(after_in_child=_count_from_random)


def _count_from_random() -> None:
    FunctionIdentity._unique_ids = itertools.count(secrets.randbits(60))
