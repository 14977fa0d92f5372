"""What the register tiles generate machine code with.

``cgutils`` builds common pieces of LLVM's code, ``make_array`` takes an array apart, ``templates`` states the types of
functions.
"""

from numba.core import cgutils
from numba.core.typing import templates
from numba.np.arrayobj import make_array
