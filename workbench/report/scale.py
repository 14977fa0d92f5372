"""Logarithmic axes."""

from dataclasses import dataclass
from math import ceil, floor, log10


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A logarithmic axis that maps the values ``low`` to ``high`` to the pixels ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + log10(value / self.low) * self.per_decade

    @property
    def per_decade(self) -> float:
        """Pixels per factor of ten."""
        return (self.end - self.start) / log10(self.high / self.low)

    def ticks(self) -> list[float]:
        """Return the powers of ten on the axis, and their multiples by 2 and 5 if there are few."""
        decades = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        powers = [10.0**decade for decade in decades]
        few = log10(self.high / self.low) < 2.5
        values = [factor * power for power in powers for factor in ((1, 2, 5) if few else (1,))]
        return [value for value in values if self.low <= value <= self.high]
