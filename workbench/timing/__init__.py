"""Timing: contestants measured in turn, medians and ratios with confidence intervals, and reliable verdicts."""
