"""Numba's intermediate representation of a function, and the parallel loops in it.

``ir`` has the statements and expressions; ``inlining`` puts functions in the place of calls; the functions find what assigns
a variable.
"""

from numba.core import inline_closurecall as inlining
from numba.core import ir
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.ir_utils import build_definitions, get_definition, guard
from numba.parfors.parfor import Parfor, ParforDiagnostics
