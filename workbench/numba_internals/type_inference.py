"""How Numba infers types: signatures, conversions and their order, and the types of NumPy.

``sigutils`` reads signatures as decorators take them; ``AbstractTemplate`` and ``Registry`` state the types of a function,
and ``typing_registry`` holds those of Numba's functions and of users' overloads.
"""

from numba.core import sigutils
from numba.core.typeconv import Conversion
from numba.core.typing import signature
from numba.core.typing.npydecl import parse_dtype
from numba.core.typing.templates import AbstractTemplate, Registry
from numba.core.typing.templates import builtin_registry as typing_registry
from numba.np.numpy_support import as_dtype, from_dtype
