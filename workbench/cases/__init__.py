"""The cases to be timed: named real cases per operation, and shapes given by the user."""

from workbench.cases.named import case_names, named_cases, with_batch
from workbench.cases.parsing import parse_case
from workbench.cases.timed_case import BenchCase

__all__ = ["BenchCase", "case_names", "named_cases", "parse_case", "with_batch"]
