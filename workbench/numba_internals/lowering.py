"""From Numba's intermediate representation to LLVM's.

- ``Lower`` and ``PyLower`` lower functions, in a ``BaseContext``.
- ``TargetRegistry`` and ``lower_constant`` register implementations.
- ``FloatModel`` and ``PrimitiveModel`` state how values lie in registers and in memory.
- ``cgutils`` and ``arrayobj`` generate common pieces of code, and code for arrays.
- ``debuginfo`` adds the lines of the source.
"""

from numba.core import cgutils, debuginfo
from numba.core.base import BaseContext
from numba.core.datamodel.models import FloatModel, PrimitiveModel
from numba.core.imputils import Registry as TargetRegistry
from numba.core.imputils import lower_constant
from numba.core.lowering import Lower
from numba.core.pylowering import PyLower
from numba.np import arrayobj
