"""The a-priori rounding bounds, as the documentation imports them."""

from kernels.declare.rounding import (
    TRANSCENDENTAL_ROUNDINGS,
    TRANSCENDENTAL_ULPS,
    Analytic,
    Exact,
    Rounding,
    Sum,
    gamma,
)

__all__ = [
    "TRANSCENDENTAL_ROUNDINGS",
    "TRANSCENDENTAL_ULPS",
    "Analytic",
    "Exact",
    "Rounding",
    "Sum",
    "gamma",
]
