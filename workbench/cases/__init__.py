"""The cases to be timed: named real cases per operation, and shapes given by the user."""

from workbench.cases.named import batch_of, case_names, is_batched, named_cases, with_batch
from workbench.cases.parsing import parse_case
from workbench.cases.timed_case import BenchCase

__all__ = ["BenchCase", "batch_of", "case_names", "is_batched", "named_cases", "parse_case", "with_batch"]
