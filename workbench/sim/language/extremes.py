"""The larger and the smaller of two floats, as a GPU computes them: a number wins over NaN, and 0.0 is above -0.0."""

import math
from typing import Any

from workbench.sim.language.helpers import helper


@helper
def largest(a: Any, b: Any) -> Any:
    """Return the larger."""
    if a > b or b != b:
        return a
    if a == b and math.copysign(1.0, a) > 0:
        return a
    return b


@helper
def least(a: Any, b: Any) -> Any:
    """Return the smaller."""
    if a < b or b != b:
        return a
    if a == b and math.copysign(1.0, a) < 0:
        return a
    return b
