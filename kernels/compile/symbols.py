"""Names of machine code that no two processes share.

Numba tells functions of one name apart (what a factory makes, above all) by a number counted from 1 in every process, and
marks helpers as "any definition of this name serves". Two kernels that two processes compiled and cached may thus bring
two different helpers of one name into a third process, where both run the one loaded first: sums come out as maxima.
Here the count of every process starts at a random number, so that a name says which process compiled it.
"""

import itertools
import os
import secrets

from numba.core.bytecode import FunctionIdentity


def make_unique() -> None:
    """Number the functions that this process compiles from now on, and its children, from random 60-bit numbers."""
    _count_from_random()
    if hasattr(os, "register_at_fork"):  # a child would go on with its parent's numbers, as would its siblings
        os.register_at_fork(after_in_child=_count_from_random)


def _count_from_random() -> None:
    FunctionIdentity._unique_ids = itertools.count(secrets.randbits(60))
