"""Generated cases: hypothesis strategies made from an operation's declaration, for the command line and the tests."""

from workbench.sampling.case import DTYPES, Arrays, Case
from workbench.sampling.families import FAMILIES, Family
from workbench.sampling.layouts import LAYOUTS
from workbench.sampling.strategies import cases

__all__ = ["DTYPES", "FAMILIES", "LAYOUTS", "Arrays", "Case", "Family", "cases"]
