"""Generated cases: from an operation's declaration to hypothesis strategies. The command line and the tests share them."""

from workbench.sampling.case import DTYPES, LAYOUTS, Arrays, Case
from workbench.sampling.families import FAMILIES, Family
from workbench.sampling.strategies import cases

__all__ = ["DTYPES", "FAMILIES", "LAYOUTS", "Arrays", "Case", "Family", "cases"]
